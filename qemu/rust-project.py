#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
"""rust-project.py BUILT [ROOT] <PROJECT: makes the project file that the kernel has
written for rust-analyzer fit this module.

The kernel knows neither of copies of the module in the build folder, nor of the bindings
that the module finds by its environment, nor that Rust's own sources may lie in a build
root. The crates are named by their place in the list.
"""
import json
import os
import sys


def is_copy(crate, build):
    return crate["root_module"].startswith(build + "/")


def renumber(crates, kept):
    place = {old: new for new, old in enumerate(kept)}
    for crate in crates:
        crate["deps"] = [
            {"crate": place[dep["crate"]], "name": dep["name"]} for dep in crate["deps"]
        ]


def fit(project, built, root):
    build = os.path.dirname(built)
    kept = [i for i, crate in enumerate(project["crates"]) if not is_copy(crate, build)]
    crates = [project["crates"][i] for i in kept]
    renumber(crates, kept)
    for crate in crates:
        if crate["root_module"].startswith("/usr/"):
            crate["root_module"] = root + crate["root_module"]
        if crate["display_name"] == "umcg_rs":
            crate["env"]["UMCG_BINDINGS"] = built + "/umcg_bindings.rs"
            folder = os.path.dirname(crate["root_module"])
            crate["source"] = {"include_dirs": [folder, built], "exclude_dirs": [build]}
    project["crates"] = crates
    project["sysroot"] = root + project["sysroot"]


def main():
    project = json.load(sys.stdin)
    fit(project, os.path.abspath(sys.argv[1]), sys.argv[2] if len(sys.argv) > 2 else "")
    json.dump(project, sys.stdout, indent=1, sort_keys=True)


main()
