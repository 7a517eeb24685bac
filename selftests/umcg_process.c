// SPDX-License-Identifier: GPL-2.0
/*
 * Processes of tests: their users, results, files, and descriptors.
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <grp.h>
#include <signal.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "umcg_test.h"

pid_t process_start(int (*body)(void *argument), void *argument)
{
	pid_t pid = fork();

	if (pid)
		return pid;
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	alarm(TEST_SECONDS);
	_exit(body(argument));
}

int process_ends(pid_t pid)
{
	int status;

	/* The process may have to give up on something first: its exit status tells on what. */
	for (int i = 0; i < 2; i++) {
		if (SOON(waitpid(pid, &status, WNOHANG) == pid))
			return status;
	}
	return -1;
}

int process_result(pid_t pid)
{
	const int status = process_ends(pid);

	return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

int result_of_process(int (*body)(void *argument), void *argument)
{
	return process_result(process_start(body, argument));
}

bool become_user(uid_t user)
{
	return !setgroups(0, NULL) && !setresgid(user, user, user) && !setresuid(user, user, user);
}

bool write_file(const char *path, const char *text)
{
	const int fd = open(path, O_WRONLY | O_CLOEXEC);
	const bool good = fd >= 0 && write(fd, text, strlen(text)) == (ssize_t)strlen(text);

	close(fd);
	return good;
}

bool send_descriptor(int socket, int fd)
{
	char byte = 0, control[CMSG_SPACE(sizeof(fd))] = {};
	struct iovec data = { .iov_base = &byte, .iov_len = 1 };
	struct msghdr message = {
		.msg_iov = &data, .msg_iovlen = 1,
		.msg_control = control, .msg_controllen = sizeof(control),
	};
	struct cmsghdr *header = CMSG_FIRSTHDR(&message);

	header->cmsg_level = SOL_SOCKET;
	header->cmsg_type = SCM_RIGHTS;
	header->cmsg_len = CMSG_LEN(sizeof(fd));
	memcpy(CMSG_DATA(header), &fd, sizeof(fd));
	return sendmsg(socket, &message, 0) == 1;
}

int receive_descriptor(int socket)
{
	char byte, control[CMSG_SPACE(sizeof(int))];
	struct iovec data = { .iov_base = &byte, .iov_len = 1 };
	struct msghdr message = {
		.msg_iov = &data, .msg_iovlen = 1,
		.msg_control = control, .msg_controllen = sizeof(control),
	};
	int fd;

	if (recvmsg(socket, &message, MSG_CMSG_CLOEXEC) != 1 || !CMSG_FIRSTHDR(&message))
		return -1;
	memcpy(&fd, CMSG_DATA(CMSG_FIRSTHDR(&message)), sizeof(fd));
	return fd;
}
