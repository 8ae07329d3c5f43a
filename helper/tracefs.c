// SPDX-License-Identifier: Apache-2.0
/* Files of tracefs: see tracefs.h. */
#include "tracefs.h"

#include <fcntl.h>
#include <linux/mount.h>
#include <sys/syscall.h>
#include <unistd.h>

/*
 * Opens a file of a tracefs that is attached nowhere (fsmount(2), 5.2): no mount point, no mount
 * namespace, and nothing that would stay behind.
 */
static int open_detached(const char *name)
{
	int context = (int)syscall(SYS_fsopen, "tracefs", FSOPEN_CLOEXEC);
	int mount = -1, file = -1;

	if (context < 0)
		return -1;
	if (syscall(SYS_fsconfig, context, FSCONFIG_CMD_CREATE, NULL, NULL, 0) == 0)
		mount = (int)syscall(SYS_fsmount, context, FSMOUNT_CLOEXEC, 0);
	if (mount >= 0) {
		file = openat(mount, name, O_RDONLY | O_CLOEXEC);
		close(mount);
	}
	close(context);
	return file;
}

FILE *tracefs_open(const char *name)
{
	static const char *const folders[] = {"/sys/kernel/tracing", "/sys/kernel/debug/tracing"};
	int file = -1;
	FILE *stream;

	for (size_t i = 0; i < sizeof(folders) / sizeof(*folders) && file < 0; i++) {
		int folder = open(folders[i], O_PATH | O_DIRECTORY | O_CLOEXEC);

		if (folder < 0)
			continue;
		file = openat(folder, name, O_RDONLY | O_CLOEXEC);
		close(folder);
	}
	if (file < 0)
		file = open_detached(name);
	if (file < 0)
		return NULL;
	stream = fdopen(file, "r");
	if (!stream)
		close(file);
	return stream;
}
