#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
#
# check-layers.py [TABLE]: does every file use files of lower layers only? Prints a line for each
# use that does not go down. qemu/layers is the table, and says what it means.

"""Checks the uses between source files against the table of layers."""

import pathlib
import re
import sys

ROOT = pathlib.Path(__file__).resolve().parent.parent

NOT_CODE = re.compile(r'//[^\n]*|/\*.*?\*/|"(?:\\.|[^"\\])*"', re.DOTALL)


def code_of(path):
    """The text of a file without comments; a string is an empty one."""
    def blank(match):
        return '""' if match[0][0] == '"' else " "

    return NOT_CODE.sub(blank, (ROOT / path).read_text(encoding="utf-8"))


def without_suffix(path):
    """The name of a file in the table."""
    return str(path).rsplit(".", 1)[0]


class RustPart:
    """The modules of a crate, found from its root by their declarations."""

    MODULE = re.compile(r'(?:#\[path = "([^"]+)"\]\s*)?^(?:pub(?:\([^)]*\))? )?mod (\w+)([;{ ])', re.M)
    # Modules that the build script writes are named in such a comment of the root.
    DECLARED = re.compile(r"^// `build\.rs` declares: ([\w, ]+)\.$", re.M)
    TESTS = re.compile(r"#\[cfg\((?:test|all\(test, [^\]]*\))\)\]\s*mod \w+ \{")
    USE = re.compile(r"\buse ([^;]+);")
    PATH = re.compile(r"\b(?:crate|super|self)(?:::\w+)+")
    MACRO = re.compile(r"#\[macro_export\]\s*macro_rules! (\w+)")
    # What the macro module! makes in the root.
    GENERATED = ("LocalModule", "module_parameters")

    def __init__(self, root):
        # The file of each module, by its path within the crate; None if it is not of this part.
        self.files = {}
        # The file that the table has for a module: a part of another one has no place of its own.
        self.names = {}
        self.macros = {}
        self._add((), pathlib.Path(root), None)
        # Programs beside the library use it by the name of the crate.
        programs = sorted((ROOT / root).parent.glob("bin/*.rs"))
        self.programs = [program.relative_to(ROOT) for program in programs]

    def _add(self, module, file, whole):
        self.files[module] = file
        self.names[module] = whole or without_suffix(file)
        text = (ROOT / file).read_text(encoding="utf-8")
        self.macros.update((macro, module) for macro in self.MACRO.findall(text))
        if not module or file.name == "mod.rs":
            folder, whole = file.parent, None
        else:
            folder, whole = file.with_suffix(""), self.names[module]
        for names in self.DECLARED.findall(text):
            self.files.update(((*module, name), None) for name in names.split(", "))
        text = self._without_tests(text)
        for place, name, after in self.MODULE.findall(text):
            # A file of another crate is checked there.
            if place or after != ";":
                self.files[(*module, name)] = None
                continue
            found = folder / f"{name}.rs"
            if not (ROOT / found).exists():
                found = folder / name / "mod.rs"
            self._add((*module, name), found, whole)

    def members(self):
        """All files that must be in the table."""
        return [*self.names.values(), *map(without_suffix, self.programs)]

    def uses(self):
        """Yields the uses: file, used file, and what is used."""
        for module, file in self.files.items():
            if file:
                yield from self._uses_of(module, self.names[module], code_of(file))
        for file in self.programs:
            text = re.sub(r"\bumcg_tools::", "crate::", code_of(file))
            yield from self._uses_of(None, without_suffix(file), text)

    def _uses_of(self, module, user, text):
        text = re.sub(r"\bpub\([^)]*\)", "pub", self._without_tests(text))
        paths = [path for tree in self.USE.findall(text) for path in flatten(tree)]
        text = self.USE.sub("", text)
        paths += [path.split("::") for path in self.PATH.findall(text)]
        if module is not None:
            children = {m[-1] for m in self.files if m and m[:-1] == module}
            relative = re.findall(r"(?<![\w:])\w+(?:::\w+)+", text)
            paths += [p.split("::") for p in relative if p.split("::")[0] in children]
        for path in paths:
            target = self._resolve(module, path)
            used = None if target is None else self.names.get(target)
            if used and used != user:
                yield user, used, "::".join(path)

    def _without_tests(self, text):
        while match := self.TESTS.search(text):
            depth, end = 1, match.end()
            while depth:
                depth += {"{": 1, "}": -1}.get(text[end], 0)
                end += 1
            text = text[:match.start()] + text[end:]
        return text

    def _resolve(self, module, path):
        """The module that a path leads to, if it is one of this crate."""
        at, rest = module or (), list(path)
        if rest[0] == "crate":
            at, rest = (), rest[1:]
            if rest[0] in self.macros:
                return self.macros[rest[0]]
            if rest[0] in self.GENERATED:
                return None
        elif rest[0] in ("self", "super"):
            while rest and rest[0] in ("self", "super"):
                at, rest = (at[:-1] if rest[0] == "super" else at), rest[1:]
        elif module is None or (*at, rest[0]) not in self.files:
            return None
        while rest and (*at, rest[0]) in self.files:
            at, rest = (*at, rest[0]), rest[1:]
        return at


def flatten(tree):
    """The paths of the tree of a "use"."""
    tree = re.sub(r"\s+as\s+\w+", "", tree)
    tree = re.sub(r"\s+", "", tree)

    def walk(prefix, text):
        depth, part = 0, ""
        for char in text + ",":
            if char == "," and not depth:
                if part:
                    yield from one(prefix, part)
                part = ""
                continue
            depth += {"{": 1, "}": -1}.get(char, 0)
            part += char

    def one(prefix, part):
        if "{" in part:
            head, _, inner = part.partition("{")
            yield from walk(prefix + [w for w in head.split("::") if w], inner[:-1])
        else:
            yield prefix + part.split("::")

    return list(walk([], tree))


class CPart:
    """The C files of folders; a header belongs to the source of the same name."""

    FUNCTION = re.compile(r"^(static )?[A-Za-z_][\w \t]*[ \t*](\w+)\([^;{}]*\)\n\{", re.M)
    PROTOTYPE = re.compile(r"^[A-Za-z_][\w \t]*[ \t*](\w+)\([^;{}]*\);", re.M)
    EXTERN = re.compile(r"^extern [^;(]*?(\w+)(?:\[\w*\])?;", re.M)
    INCLUDE = re.compile(r'^#include "([^"]+)"', re.M)

    def __init__(self, folders):
        # By the names in the table: what is included, and the code of source and header.
        self.includes, self.sources, self.headers = {}, {}, {}
        for folder in folders:
            for path in sorted((ROOT / folder).glob("*.[ch]")):
                file = path.relative_to(ROOT)
                unit = without_suffix(file)
                names = self.INCLUDE.findall(path.read_text(encoding="utf-8"))
                included = self.includes.setdefault(unit, set())
                included.update(pathlib.Path(name).stem for name in names)
                texts = self.sources if file.suffix == ".c" else self.headers
                texts[unit] = code_of(file)
        self.by_stem = {pathlib.Path(unit).name: unit for unit in self.headers}

    def members(self):
        """All files that must be in the table."""
        return list(self.includes)

    def uses(self):
        """Yields the uses: file, used file, and what is used."""
        owners, own = self._definitions()
        for unit, included in self.includes.items():
            for stem in included:
                target = self.by_stem.get(stem)
                if target and target != unit:
                    yield unit, target, f"{stem}.h"
        for unit, text in self.sources.items():
            words = set(re.findall(r"\w+", text)) - own.get(unit, set())
            headers = self._headers_of(unit)
            # Macros that call a function are in headers, too.
            declared = {*re.findall(r"(\w+)\(", headers), *self.PROTOTYPE.findall(text),
                        *self.EXTERN.findall(headers + text)}
            # A name that several have is the one that each links with.
            for word in words & declared & owners.keys():
                for target in owners[word] - {unit} if len(owners[word]) == 1 else ():
                    yield unit, target, word

    def _headers_of(self, unit):
        """The code of all headers that a source includes, through others too."""
        seen, todo = set(), [unit]
        while todo:
            name = todo.pop()
            if name not in seen:
                seen.add(name)
                todo += filter(None, map(self.by_stem.get, self.includes[name]))
        return " ".join(self.headers.get(name, "") for name in seen)

    def _definitions(self):
        """The units that define a name for others, and all names that a unit defines."""
        owners, own = {}, {}
        variables = {n for text in self.headers.values() for n in self.EXTERN.findall(text)}
        for unit, text in self.sources.items():
            found = self.FUNCTION.findall(text)
            for name in variables:
                pattern = rf"^(?!extern)(static )?[A-Za-z_][\w \t*]*\b({name})\b *[=;\[]"
                found += re.findall(pattern, text, re.M)
            for static, name in found:
                own.setdefault(unit, set()).add(name)
                if not static:
                    owners.setdefault(name, set()).add(unit)
        return owners, own


def read_table(path):
    """Yields each part with its layers, the lowest one first."""
    parts = []
    for line in pathlib.Path(path).read_text(encoding="utf-8").splitlines():
        line = line.split("#")[0].strip()
        if line.startswith("["):
            parts.append((line.strip("[]").split(), []))
        elif line:
            parts[-1][1].append(line.split())
    for (kind, *places), layers in parts:
        yield (RustPart(places[0]) if kind == "rust" else CPart(places)), layers


def levels_of(members, layers):
    """The level of each file, and errors of the table."""
    levels, faults, rest = {}, [], None
    for level, names in enumerate(layers):
        for name in names:
            if name == "*":
                rest = level
                continue
            if name not in members:
                faults.append(f"{name} has a layer, but is not there")
            levels[name] = level
    for member in members:
        if member not in levels and rest is None:
            faults.append(f"{member} has no layer")
        levels.setdefault(member, rest)
    return levels, faults


def check(part, layers):
    """The uses that do not go down, and the number of all uses."""
    levels, faults = levels_of(set(part.members()), layers)
    if faults:
        return faults, 0
    uses = sorted(set(part.uses()))
    for user, used, name in uses:
        if levels[user] <= levels[used]:
            where = "beside" if levels[user] == levels[used] else "above"
            faults.append(f"{user} uses {name} of {used}, which is {where} it")
    # If none is seen, this program is blind.
    return faults or ["a part has no file that uses another"] * (not uses), len(uses)


def main():
    """Checks all parts of the table."""
    table = sys.argv[1] if len(sys.argv) > 1 else ROOT / "qemu" / "layers"
    total = 0
    failed = False
    for part, layers in read_table(table):
        faults, uses = check(part, layers)
        failed |= bool(faults)
        total += uses
        for fault in faults:
            print(fault)
    print("not ok" if failed else "ok", f"layers: {total} uses of one file by another")
    sys.exit(failed)


main()
