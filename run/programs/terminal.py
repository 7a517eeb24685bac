#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0
#
# terminal.py KEYS PROGRAM...: starts the program from a shell in a terminal, and types keys:
# "interrupt" is Ctrl-C; "stop" is Ctrl-Z, and fg when all its threads have stopped. Fails if the
# program does not end as expected.

import glob
import os
import pty
import re
import select
import shlex
import sys
import time

PATIENCE = 120


class Shell:
    def __init__(self):
        self.text = ''
        pid, self.terminal = pty.fork()
        if pid == 0:
            os.environ.update(PS1='$ ', TERM='dumb')
            os.execv('/bin/bash', ['bash', '--norc', '--noprofile', '-i'])

    def type(self, text):
        os.write(self.terminal, text.encode())

    def wait_for(self, pattern):
        """Waits for output that matches, and consumes all up to there."""
        end = time.monotonic() + PATIENCE
        while not (match := re.search(pattern, self.text)):
            if not select.select([self.terminal], [], [], max(0, end - time.monotonic()))[0]:
                sys.exit(f'no {pattern} in: {self.text}')
            self.text += os.read(self.terminal, 4096).decode(errors='replace')
        self.text = self.text[match.end():]
        return match


def states(pid):
    found = set()
    for path in glob.glob(f'/proc/{pid}/task/*/stat'):
        try:
            with open(path) as file:
                found.add(file.read().rsplit(')', 1)[1].split()[0])
        except (FileNotFoundError, ProcessLookupError):
            pass
    return found


def process_named(name):
    for path in glob.glob('/proc/[0-9]*/comm'):
        try:
            with open(path) as file:
                if file.read().strip() == name:
                    return path.split('/')[2]
        except (FileNotFoundError, ProcessLookupError):
            pass
    sys.exit(f'no process {name}')


def wait_until(condition, what):
    end = time.monotonic() + PATIENCE
    while not condition():
        if time.monotonic() > end:
            sys.exit(f'never: {what}')
        time.sleep(0.05)


def stop_and_continue(shell, pid):
    shell.type('\x1a')
    shell.wait_for('Stopped')
    wait_until(lambda: states(pid) == {'T'}, f'all stopped: {states(pid)}')
    shell.type('fg\n')
    wait_until(lambda: 'T' not in states(pid), 'all continue')


def main():
    keys, *program = sys.argv[1:]
    shell = Shell()
    shell.type(f'{shlex.join(program)}; echo status=$?\n')
    shell.wait_for('\nrunning')
    pid = process_named('crowd')
    if keys == 'interrupt':
        shell.type('\x03')
        # bash skips the rest of the line then.
        wait_until(lambda: not os.path.exists(f'/proc/{pid}'), 'the end')
        shell.type('echo after=$?\n')
        status = shell.wait_for(r'\nafter=(\d+)')[1]
        sys.exit(status != '130' and f'status {status}')
    for _ in range(3):
        stop_and_continue(shell, pid)
        time.sleep(0.3)
    shell.wait_for('right after')


main()
