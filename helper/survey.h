/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Looks, in a thread of its own, where BPF programs are attached and pinned: it enters each network
 * namespace, which takes a while on a machine that has many.
 */
#ifndef PACKET_TRAIL_SURVEY_H
#define PACKET_TRAIL_SURVEY_H

#include "pins.h"
#include "program.h"

struct survey;

struct findings {
	struct places places; /* by program */
	struct pins pins;
};

/* Looks every so often, and when it is hurried. NULL without memory or a thread. */
struct survey *survey_open(uint64_t look_ms);
void survey_close(struct survey *survey);

/* Programs came or went: look again soon. */
void survey_hurry(struct survey *survey);

/* Takes what was found last; false when nothing new was. To be freed by findings_free(). */
bool survey_take(struct survey *survey, struct findings *findings);
void findings_free(struct findings *findings);

#endif
