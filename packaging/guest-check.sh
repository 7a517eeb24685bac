# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash
#
# What the tests in the guest of `make check-install` share. Source it.

# Whether any test has been run.
began=

# check NAME COMMAND...: one test; the output of the command is shown if it fails. After the first
# test, only tests whose names match the pattern in "only" are run.
check()
{
	local name=$1 begin=$SECONDS
	shift

	# shellcheck disable=SC2053
	[[ ! $began || $name == $(<only) ]] || return 0
	began=true
	if "$@" >output 2>&1; then
		echo "ok $name ($((SECONDS - begin)) s)"
	else
		echo "not ok $name ($((SECONDS - begin)) s)"
		tail -n 40 output | sed 's/^/# /'
	fi
}

kernel_log_is_clean()
{
	! dmesg | grep -F -f <(grep . log-patterns)
}
