// SPDX-License-Identifier: Apache-2.0
/* Network namespaces and interfaces by name: see netns.h. */
#include "netns.h"
#include "log.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <net/if.h>
#include <pthread.h>
#include <sched.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* Opens the namespace file that a spec means; -1 with errno. An inode number has none. */
static int netns_open(const char *spec)
{
	char path[4096];

	if (strchr(spec, '/'))
		return open(spec, O_RDONLY | O_CLOEXEC);
	if (snprintf(path, sizeof(path), NETNS_FOLDER "/%s", spec) >= (int)sizeof(path)) {
		errno = ENAMETOOLONG;
		return -1;
	}
	return open(path, O_RDONLY | O_CLOEXEC);
}

static bool inode_number(const char *spec, uint32_t *inum)
{
	unsigned long long value;
	char *end;

	if (*spec < '0' || *spec > '9')
		return false;
	errno = 0;
	value = strtoull(spec, &end, 10);
	if (*end || errno || !value || value > UINT32_MAX)
		return false;
	*inum = (uint32_t)value;
	return true;
}

uint32_t netns_resolve(const char *spec)
{
	struct stat info, own;
	uint32_t inum;
	int file;

	if (inode_number(spec, &inum))
		return inum;
	file = netns_open(spec);
	if (file < 0) {
		complain("no such network namespace: --netns %s (%s): give an inode number, "
			 "/proc/PID/ns/net, or a name that `ip netns` lists",
			 spec, strerror(errno));
		return 0;
	}
	if (fstat(file, &info) || stat("/proc/self/ns/net", &own) || info.st_dev != own.st_dev) {
		complain("not a network namespace: --netns %s: give an inode number, "
			 "/proc/PID/ns/net, or a name that `ip netns` lists",
			 spec);
		close(file);
		return 0;
	}
	close(file);
	return (uint32_t)info.st_ino;
}

/* A namespace that is known by number alone is found by a process that lives there. */
static int netns_open_inum(uint32_t inum)
{
	DIR *folder = opendir("/proc");
	struct dirent *entry;
	int file = -1;

	while (folder && file < 0 && (entry = readdir(folder))) {
		char path[sizeof(entry->d_name) + 16];
		struct stat info;

		if (entry->d_name[0] < '0' || entry->d_name[0] > '9')
			continue;
		snprintf(path, sizeof(path), "%s/ns/net", entry->d_name);
		if (fstatat(dirfd(folder), path, &info, 0) || (uint32_t)info.st_ino != inum)
			continue;
		file = openat(dirfd(folder), path, O_RDONLY | O_CLOEXEC);
	}
	if (folder)
		closedir(folder);
	return file;
}

struct query {
	int netns;
	const char *name;
	uint32_t index;
	int error;
};

/* In a thread of its own, because a namespace that was entered is the thread's. */
static void *ask_index(void *context)
{
	struct query *query = context;

	if (setns(query->netns, CLONE_NEWNET)) {
		query->error = errno;
		return NULL;
	}
	query->index = if_nametoindex(query->name);
	if (!query->index)
		query->error = errno;
	return NULL;
}

uint32_t interface_resolve(const char *spec, const char *netns, uint32_t *inum)
{
	const char *slash = strrchr(spec, '/');
	struct query query = {.netns = -1, .name = slash ? slash + 1 : spec};
	char space[4096];
	uint32_t index;
	pthread_t thread;

	*inum = 0;
	if (slash) {
		if (netns) {
			complain("two network namespaces: --netns %s --interface %s: give one of "
				 "them",
				 netns, spec);
			return 0;
		}
		snprintf(space, sizeof(space), "%.*s", (int)(slash - spec), spec);
		netns = space;
	}
	if (netns) {
		*inum = netns_resolve(netns);
		if (!*inum)
			return 0;
	}
	if (inode_number(query.name, &index))
		return index;
	if (!netns)
		*inum = netns_resolve("/proc/self/ns/net");
	if (netns && !inode_number(netns, &index))
		query.netns = netns_open(netns);
	else
		query.netns = netns ? netns_open_inum(*inum)
				    : open("/proc/self/ns/net", O_RDONLY | O_CLOEXEC);
	if (query.netns < 0) {
		complain("can't enter the network namespace: --interface %s (%s): give the "
			 "interface "
			 "by its index",
			 spec, strerror(errno));
		return 0;
	}
	if (pthread_create(&thread, NULL, ask_index, &query) || pthread_join(thread, NULL))
		query.error = EAGAIN;
	close(query.netns);
	if (!query.index)
		complain("no such interface: --interface %s (%s): `ip link` in its network "
			 "namespace "
			 "lists them",
			 spec, strerror(query.error));
	return query.index;
}
