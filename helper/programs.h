/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The BPF programs of the node that see packets: found, hooked and told as they come and go while a
 * trace runs. Each is hooked or reported with the reason; none can end the trace.
 */
#ifndef PACKET_TRAIL_PROGRAMS_H
#define PACKET_TRAIL_PROGRAMS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct account;
struct event;
struct hooks;
struct load;
struct packet_trail_bpf;
struct globs;
struct sink;
struct programs;

/*
 * `wanted`: what names of programs to hook match, none = all are hooked. NULL after it said why.
 * The skeleton is loaded; all that is given outlives the programs.
 */
struct programs *programs_open(const struct load *load, struct packet_trail_bpf *skeleton,
			       struct sink *sink, struct hooks *hooks, const struct globs *wanted);

/* The filter in `load` is another one: every hook is replaced. */
void programs_filter_changed(struct programs *programs);

/*
 * Looks for programs that came and went, when it is time, and hooks what is new, for some
 * milliseconds. Returns false when there is more to hook. Call it often.
 */
bool programs_step(struct programs *programs, uint64_t now_ms);

/* An event was taken: a program's source is sent soon after its first one. */
void programs_event(struct programs *programs, const struct event *event);

/* How many are known, and how many of them are hooked. */
size_t programs_count(const struct programs *programs, size_t *hooked);

/*
 * What the copies of our programs did that hook BPF programs, since the trace began, as far as it
 * was looked at: all of it once they are detached. `look`: looks at some hundreds of them now.
 */
void programs_account(struct programs *programs, bool look, struct account *account);

/* How often a hook is hit, as it was looked at last. */
struct hook_rate {
	uint32_t hook;
	uint64_t rate; /* a second; 0 unless bpf_stats are on */
};

/* Of every hook on BPF programs that is attached, as many as there is room for. */
size_t programs_rates(const struct programs *programs, struct hook_rate *rates, size_t room);

/* Takes one hook away, and says why of its program. Its state is the caller's to tell. */
void programs_shed(struct programs *programs, uint32_t hook, const char *reason);

/* Takes every hook away meanwhile, and hooks no more; `reason` is a constant. */
void programs_stop(struct programs *programs, const char *reason);

/* Has the hooks taken away meanwhile; programs_detach() waits for it. */
void programs_let_go(struct programs *programs);

/* Takes every hook away. */
void programs_detach(struct programs *programs);
void programs_close(struct programs *programs);

#endif
