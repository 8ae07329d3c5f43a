/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The kernel's code as it stands in its memory (/proc/kcore), to see which functions begin with
 * what ftrace can change. The list that the kernel gives of them says the same, and takes the
 * kernel longer to write than all else that a start does: it looks up the name of each of its
 * functions.
 */
#ifndef PACKET_TRAIL_TEXT_H
#define PACKET_TRAIL_TEXT_H

#include <stdint.h>

/* Opens it, which needs CAP_SYS_RAWIO; reading doesn't. Without it text_site() knows nothing. */
void text_open(void);
void text_close(void);

/*
 * Where ftrace changes the function at this address: 1 with *site, 0 = it doesn't, -errno = that
 * can't be told here.
 */
int text_site(uint64_t function, uint64_t *site);

#endif
