// SPDX-License-Identifier: Apache-2.0
/* What our hooks on BPF programs cost, and those that are shed for it: see programs.h. */
#include "programs.h"
#include "clock.h"
#include "program_table.h"
#include "sink.h"

#include <stdlib.h>
#include <string.h>

#define LOOKS 512 /* copies whose account is read at once */

void programs_account(struct programs *programs, bool look, struct account *account)
{
	size_t most = programs->count < LOOKS / 2 ? programs->count : LOOKS / 2;
	uint64_t now = clock_ns();

	for (size_t i = 0; look && i < most; i++) {
		struct program *program;

		if (programs->turn >= programs->count)
			programs->turn = 0;
		program = &programs->entries[programs->turn++]->program;
		copy_look(&program->copies[0], now, &programs->account);
		copy_look(&program->copies[1], now, &programs->account);
	}
	closer_account(programs->closer, &programs->account);
	if (look)
		xdp_skbs_look(&programs->xdp_skbs, now, &programs->xdp_account);
	*account = programs->account;
	/* They send nothing: what they miss is no event. */
	account->run_ns += programs->xdp_account.run_ns;
}

size_t programs_rates(const struct programs *programs, struct hook_rate *rates, size_t room)
{
	size_t count = 0;

	for (size_t i = 0; i < programs->count; i++) {
		const struct program *program = &programs->entries[i]->program;
		const uint32_t hooks[2] = {program->entry_hook, program->verdict_hook};

		for (int which = 0; which < 2; which++)
			if (copy_attached(&program->copies[which]) && count < room)
				rates[count++] = (struct hook_rate){
					.hook = hooks[which],
					.rate = program->copies[which].rate,
				};
	}
	return count;
}

/* Says why a program has fewer hooks than it had. */
static void tell_fewer(struct programs *programs, struct program *program, const char *reason)
{
	free(program->reason);
	program->reason = strdup(reason);
	if (!copies_of(program))
		program->state = PROGRAM_REPORTED;
	programs->sink->program(programs->sink, program);
}

void programs_shed(struct programs *programs, uint32_t id, const char *reason)
{
	const struct hook *hook = hook_of(programs->hooks, id);
	struct entry *entry = hook && hook->program ? table_find(programs, hook->program) : NULL;

	if (!entry)
		return;
	closer_close(programs->closer, &entry->program.copies[id == entry->program.verdict_hook],
		     &entry->closing);
	tell_fewer(programs, &entry->program, reason);
}

void programs_stop(struct programs *programs, const char *reason)
{
	programs->stopped = reason;
	for (size_t i = 0; i < programs->count; i++) {
		struct entry *entry = programs->entries[i];

		if (!copies_of(&entry->program))
			continue;
		drop_copies(programs, entry);
		tell_fewer(programs, &entry->program, reason);
	}
	xdp_skbs_detach(&programs->xdp_skbs, &programs->xdp_account);
}
