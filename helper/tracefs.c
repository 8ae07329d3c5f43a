// SPDX-License-Identifier: Apache-2.0
/* Files of tracefs: see tracefs.h. */
#include "tracefs.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/mount.h>
#include <sys/syscall.h>
#include <unistd.h>

/*
 * A tracefs that is attached nowhere (fsmount(2), 5.2): no mount point, no mount namespace, and
 * nothing that would stay behind.
 */
static int mount_detached(void)
{
	int context = (int)syscall(SYS_fsopen, "tracefs", FSOPEN_CLOEXEC);
	int mount = -1, error;

	if (context < 0)
		return -1;
	if (syscall(SYS_fsconfig, context, FSCONFIG_CMD_CREATE, NULL, NULL, 0) == 0)
		mount = (int)syscall(SYS_fsmount, context, FSMOUNT_CLOEXEC, 0);
	error = errno;
	close(context);
	errno = error;
	return mount;
}

int tracefs_folder(void)
{
	static const char *const folders[] = {"/sys/kernel/tracing", "/sys/kernel/debug/tracing"};

	for (size_t i = 0; i < sizeof(folders) / sizeof(*folders); i++) {
		int folder = open(folders[i], O_PATH | O_DIRECTORY | O_CLOEXEC);

		if (folder < 0)
			continue;
		/* The mount point alone is an empty folder. */
		if (faccessat(folder, "events", F_OK, 0) == 0)
			return folder;
		close(folder);
	}
	return mount_detached();
}

FILE *tracefs_open(const char *name)
{
	int folder = tracefs_folder(), file;
	FILE *stream;

	if (folder < 0)
		return NULL;
	file = openat(folder, name, O_RDONLY | O_CLOEXEC);
	close(folder);
	if (file < 0)
		return NULL;
	stream = fdopen(file, "r");
	if (!stream)
		close(file);
	return stream;
}
