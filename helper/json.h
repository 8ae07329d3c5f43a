/* SPDX-License-Identifier: Apache-2.0 */
/* JSON, as far as it takes more than printf(). */
#ifndef PACKET_TRAIL_JSON_H
#define PACKET_TRAIL_JSON_H

#include <stdio.h>

/* A string; bytes that would break it are escaped, bytes above 0x7f pass. */
void json_string(FILE *out, const char *text);

#endif
