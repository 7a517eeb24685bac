#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
"""
check.py MODULE_DIR BINDINGS OUT: shows that safe code cannot misuse sys/.

Each file beside this one is compiled as a module of umcg/, where unsafe code is denied, by the
command that has built the module. Of every case, which is a module of its own, the compiler has to
say what the comment before it expects, and nothing of anything else; correct.rs has to compile.
The compiler comes to an end after the first kind of errors that it finds, so there is a file for
each kind.
"""
import json
import pathlib
import re
import shlex
import shutil
import subprocess
import sys

HERE = pathlib.Path(__file__).resolve().parent
SOURCES = HERE.parent.parent
CASE = re.compile(r'^// fails with ([^:]*): .*\nmod (\w+) \{\n(?:.*\n)*?\}\n', re.MULTILINE)


def command(module_dir, source, out):
    """The command that has built the module, for this source, up to what is borrowed how long."""
    saved = (module_dir / '.umcg_rs.o.cmd').read_text().splitlines()[0].split(' := ', 1)[1]
    words = shlex.split(saved)
    environment = [word for word in words if re.match(r'^[A-Z_]+=', word)]
    words = [word for word in words[len(environment):] if not word.startswith('--emit=')]
    words[words.index('--out-dir') + 1] = str(out)
    words[-1] = str(source)
    return environment, words + ['--emit=metadata', '--error-format=json']


def place_of(span):
    """The position of a span in the sources, inside a macro or not."""
    while span['expansion']:
        span = span['expansion']['span']
    return pathlib.Path(span['file_name']).name, span['line_start']


def errors_of(output):
    """The errors reported by rustc: (file, line, code, message)."""
    for line in output.splitlines():
        error = json.loads(line)
        primary = [span for span in error.get('spans', []) if span['is_primary']]
        if error.get('level') == 'error' and primary:
            code = error['code']['code'] if error['code'] else ''
            yield *place_of(primary[0]), code, error['message']


def compile_case(module_dir, bindings, out, case_file):
    """Compiles the module with one file more. Returns the status and the errors."""
    tree = out / 'src'
    shutil.rmtree(tree, ignore_errors=True)
    tree.mkdir(parents=True)
    for part in ('sys', 'umcg'):
        shutil.copytree(SOURCES / part, tree / part)
    shutil.copy(SOURCES / 'umcg_rs.rs', tree)
    shutil.copy(case_file, tree / 'umcg' / 'misuse.rs')
    with open(tree / 'umcg' / 'mod.rs', 'a', encoding='utf-8') as module:
        module.write('mod misuse;\n')

    environment, words = command(module_dir, tree / 'umcg_rs.rs', out)
    # As kbuild has it: the kernel uses features of the compiler that are not stable.
    environment += ['RUSTC_BOOTSTRAP=1', f'UMCG_BINDINGS={bindings}']
    result = subprocess.run(['env', *environment, *words], cwd=module_dir, capture_output=True,
                            text=True, check=False)
    return result.returncode, list(errors_of(result.stderr))


def is_expected(expected, code, message):
    """Whether an error is what a case expects: a code, or a part of the message."""
    return expected in (code, message) or not code and expected in message


def check_file(path, status, errors):
    """The results of the cases of a file: (name, error or None)."""
    text = path.read_text(encoding='utf-8')

    for case in CASE.finditer(text):
        lines = range(text.count('\n', 0, case.start()) + 1, text.count('\n', 0, case.end()) + 1)
        found = [error for error in errors if error[0] == 'misuse.rs' and error[1] in lines]
        errors = [error for error in errors if error not in found]
        good = found and all(is_expected(case[1], *error[2:]) for error in found)
        yield case[2], None if good else f'expected {case[1]}, got {found or "no error"}'
    if path.name == 'correct.rs':
        yield 'compiles', errors or (status and f'status {status}') or None
    elif errors:
        yield 'nothing_else', errors


def main():
    module_dir, bindings, out = (pathlib.Path(argument).resolve() for argument in sys.argv[1:4])
    failed = number = 0

    for path in sorted(HERE.glob('*.rs')):
        for name, fault in check_file(path, *compile_case(module_dir, bindings, out, path)):
            number += 1
            failed += fault is not None
            print(f'{"not ok" if fault else "ok"} {number} misuse.{path.stem}.{name}')
            if fault:
                print(f'# {fault}')
    return failed != 0


if __name__ == '__main__':
    sys.exit(main())
