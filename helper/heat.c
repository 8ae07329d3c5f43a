// SPDX-License-Identifier: Apache-2.0
/* Which hooks are the hottest: see heat.h. */
#include "heat.h"

#include <stdlib.h>

/* What can be shut first, then by hits. */
static int hotter(const void *left, const void *right)
{
	const struct heat *a = left, *b = right;

	if (a->may_shut != b->may_shut)
		return a->may_shut ? -1 : 1;
	return a->hits < b->hits ? 1 : a->hits > b->hits ? -1 : 0;
}

/* Percent of what it cost that a hook still costs once it is shut. */
static int rest(const struct heat *heat)
{
	return heat->program ? 0 : SHUT_COST;
}

bool heat_choose(struct heat *heats, size_t count, uint64_t used, uint64_t target, size_t *chosen)
{
	double cost = (double)used, total = 0;

	for (size_t i = 0; i < count; i++)
		total += (double)heats[i].hits * (heats[i].shut ? rest(&heats[i]) / 100.0 : 1);
	qsort(heats, count, sizeof(*heats), hotter);
	*chosen = 0;
	while (*chosen < count && heats[*chosen].may_shut && heats[*chosen].hits &&
	       cost > (double)target) {
		cost -= (double)used * (double)heats[*chosen].hits / total *
			(100 - rest(&heats[*chosen])) / 100;
		++*chosen;
	}
	return cost <= (double)target;
}
