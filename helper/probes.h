/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Kprobes through tracefs, many functions to one trace event. What is waited for when a probe goes
 * away (grace periods of RCU tasks trace, SRCU and RCU: perf_event_detach_bpf_prog and
 * perf_trace_event_unreg, kernel/trace) is waited for once an event instead of once a function.
 *
 * The definitions outlive the process, disarmed once its perf events are closed; guard.h removes
 * them when the process is killed, and the next one removes what a killed guard left.
 */
#ifndef PACKET_TRAIL_PROBES_H
#define PACKET_TRAIL_PROBES_H

#include <stddef.h>
#include <stdint.h>

struct guard;

#define PROBES_GROUP 32

struct probes {
	int folder;   /* of tracefs; -1 = not open */
	int commands; /* its kprobe_events */
	char group[PROBES_GROUP];
	int *events; /* perf events by number of the trace event; -1 = not enabled */
	size_t count;
};

/* The group of this process. */
void probes_name_group(char group[PROBES_GROUP]);

/* Opens tracefs for writing. 0, or -errno: then there are no probes this way. */
int probes_open(struct probes *probes);

/* Removes what dead processes left, before there is anything of this one's. */
void probes_remove_orphans(const struct probes *probes, struct guard *guard);

/* Number of a new trace event, or -ENOMEM. */
int probes_event(struct probes *probes);

/* Defines a probe at `address` as part of the event; `tag` is another one for each probe of it. 0,
 * or -errno when the kernel refuses the place. */
int probes_define(struct probes *probes, int event, uint64_t address, unsigned int tag);

/* Arms all probes of the event, for the program. 0, or -errno: then none is armed, and the event is
 * gone. */
int probes_enable(struct probes *probes, int event, int program);

struct probe_counts {
	uint64_t hits;
	/* Beside those, since another probe was being handled on their CPU
	 * (kprobes_inc_nmissed_count, kernel/kprobes.c). */
	uint64_t missed;
};

/* What the kernel counted so far. Reads a line of tracefs for each probe. */
struct probe_counts probes_count(const struct probes *probes);

/* Disarms and removes all. What they missed in all. */
uint64_t probes_close(struct probes *probes);

/* Removes the definitions of a group that nobody uses. */
void probes_remove_group(int folder, const char *group);

#endif
