// SPDX-License-Identifier: Apache-2.0
/* Expedited grace periods: see expedite.h. */
#include "expedite.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

/*
 * What we turn it on with. Anything but 0 does (rcu_gp_is_expedited, kernel/rcu/update.c), and the
 * kernel keeps the number as it is (kernel/ksysfs.c). So one write is both the setting and its
 * mark: there is no moment in which a killed process leaves one without the other.
 */
#define OURS  0x7061636b /* "pack" */

#define SEATS 64

const char *expedite_file = "/sys/kernel/rcu_expedited";

int expedite_open(void)
{
	return open(expedite_file, O_RDWR | O_CLOEXEC);
}

static int value_of(int file)
{
	char text[16] = "";

	return pread(file, text, sizeof(text) - 1, 0) > 0 ? atoi(text) : -1;
}

static bool set_value(int file, int value)
{
	char text[16];
	int length = snprintf(text, sizeof(text), "%d\n", value);

	return pwrite(file, text, (size_t)length, 0) == length;
}

/* Who waits has locked a byte of the file; the kernel unlocks it in whichever way that ends. */
static bool take_seat(int file)
{
	struct flock lock = {.l_type = F_WRLCK, .l_whence = SEEK_SET, .l_len = 1};

	for (lock.l_start = 0; lock.l_start < SEATS; lock.l_start++)
		if (fcntl(file, F_OFD_SETLK, &lock) == 0)
			return true;
	return false;
}

static void leave_seat(int file)
{
	struct flock lock = {.l_type = F_UNLCK, .l_whence = SEEK_SET, .l_len = SEATS};

	fcntl(file, F_OFD_SETLK, &lock);
}

/* Asks for locks to write, which take root: others can lock it to read, and would keep it on. */
static bool others_wait(int file)
{
	struct flock lock = {.l_type = F_RDLCK, .l_whence = SEEK_SET, .l_len = SEATS};

	return fcntl(file, F_OFD_GETLK, &lock) == 0 && lock.l_type != F_UNLCK;
}

static bool left_on(int file)
{
	return !others_wait(file) && value_of(file) == OURS;
}

/*
 * Nothing keeps these steps together with another process's: who begins while somebody ends may
 * wait longer than it hoped, and that is all.
 */
bool expedite_begin(int file)
{
	if (file < 0 || !take_seat(file))
		return false;
	if (value_of(file) == 0 && set_value(file, OURS) && value_of(file) != OURS)
		set_value(file, 0); /* a kernel that doesn't keep the number */
	if (value_of(file) == OURS)
		return true;
	leave_seat(file);
	return false;
}

/* The seat first: of two who end at once, one sees that it is the last. */
void expedite_end(int file)
{
	if (file < 0)
		return;
	leave_seat(file);
	if (left_on(file))
		set_value(file, 0);
}

bool expedite_left_on(void)
{
	int file = open(expedite_file, O_RDONLY | O_CLOEXEC);
	bool left;

	if (file < 0)
		return false;
	left = left_on(file);
	close(file);
	return left;
}

bool expedite_mend(void)
{
	int file = expedite_open();
	bool mended;

	if (file < 0)
		return false;
	mended = left_on(file) && set_value(file, 0);
	close(file);
	return mended;
}
