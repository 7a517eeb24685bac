# SPDX-License-Identifier: GPL-2.0
#
# Settings of Sphinx; `make htmldocs` runs it.

project = "umcg"
author = "The umcg-rs developers"
project_copyright = "the umcg-rs developers"

exclude_patterns = ["man"]
smartquotes = False
highlight_language = "none"

html_theme = "alabaster"
html_theme_options = {
    "description": "User-managed concurrency groups for Linux kernels as they are",
    "page_width": "1100px",
}
html_show_sourcelink = False
html_show_copyright = False
