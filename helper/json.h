/* SPDX-License-Identifier: Apache-2.0 */
/* JSON, as far as it takes more than printf(). */
#ifndef PACKET_TRAIL_JSON_H
#define PACKET_TRAIL_JSON_H

#include <stdio.h>

/*
 * A string, valid UTF-8 whatever the text is: a byte that is no part of a character becomes U+FFFD.
 * What a terminal would obey or not show is escaped.
 */
void json_string(FILE *out, const char *text);

#endif
