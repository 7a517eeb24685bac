# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash disable=SC2034
#
# What differs by the Debian suite of the build root: all of it, by UMCG_SUITE=trixie, forky or sid.
# Its compilers build the kernels of its archive, and only these. Source it after lib.sh and arch.sh.

suite=${UMCG_SUITE:-trixie}
case $suite in
trixie)
	suite_title="Debian 13"
	# Where more kernels come from, for its compilers.
	more_suites=(trixie-backports)
	;;
forky)
	suite_title="Debian testing"
	more_suites=()
	;;
sid)
	suite_title="Debian unstable"
	more_suites=(experimental)
	;;
*) die "UMCG_SUITE=$suite is not known: there are trixie, forky and sid" ;;
esac

# A mirror that has this one has the suite, too.
last_suite=$suite
for last_suite in "${more_suites[@]}"; do :; done

# Where it is the usual one, all is as if there were no other; else folders are named after it.
other_suite=
if [[ $suite != trixie ]]; then
	other_suite=$suite
	build_environment+=(UMCG_SUITE="$suite")
fi

# The folder of what is built, below build/ and out/, with a slash at its end; empty for the usual
# suite on the machine's own architecture.
variant=${other_suite:+$other_suite/}${foreign:+$foreign/}
