#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
"""tutorial.py TEXT OUT: takes the programs out of a text.

A block of code whose caption is the path of a file is a piece of that file, in the order of the
text; one whose caption is "Output of NAME" becomes NAME.out, what the program prints.
"""
import pathlib
import re
import sys
import textwrap

BLOCK = re.compile(
    r"^\.\. code-block:: \w+\n   :caption: (?P<caption>.+)\n\n(?P<code>(?:   .*\n|\n)+)", re.M
)


def file_of(caption):
    output = re.fullmatch(r"Output of (\w+)", caption)
    return output.group(1) + ".out" if output else caption


def main():
    text, out = pathlib.Path(sys.argv[1]), pathlib.Path(sys.argv[2])
    files = {}
    for block in BLOCK.finditer(text.read_text()):
        code = textwrap.dedent(block["code"]).strip("\n") + "\n"
        files.setdefault(file_of(block["caption"]), []).append(code)
    for name, pieces in files.items():
        (out / name).parent.mkdir(parents=True, exist_ok=True)
        (out / name).write_text("\n".join(pieces))


main()
