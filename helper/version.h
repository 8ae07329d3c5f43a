/* SPDX-License-Identifier: Apache-2.0 */
/* Which helper this is. */
#ifndef PACKET_TRAIL_VERSION_H
#define PACKET_TRAIL_VERSION_H

/* The Makefile takes PACKET_TRAIL_VERSION from package.json. */

/* The linker's build id of this binary, hex; "" when it has none. */
const char *build_id(void);

#endif
