// SPDX-License-Identifier: Apache-2.0
/* What is known before an instruction: see known.h. */
#include "known.h"

#include <linux/bpf.h>
#include <stdint.h>

void known_merge(struct known *known, const struct known *way)
{
	if (!way->reached)
		return;
	if (!known->reached) {
		*known = *way;
		return;
	}
	if (way->tested < known->tested)
		known->tested = way->tested;
	if (way->truth != known->truth)
		known->truth = UNKNOWN;
	if (way->low < known->low)
		known->low = way->low;
	if (way->high > known->high)
		known->high = way->high;
}

static void any(struct known *known)
{
	known->low = 0;
	known->high = UINT32_MAX;
}

void known_load(struct known *known, unsigned int size)
{
	any(known);
	known->high >>= 8 * (4 - size);
	known->truth = TRUE;
}

void known_alu(struct known *known, __u8 operation, bool from_x, __u32 k)
{
	__u32 low = known->low, high = known->high;

	if (known->truth == TRUE_FIRST && operation == BPF_AND && !from_x && k == 1)
		known->truth = TRUE;
	else if (known->truth != TRUE)
		known->truth = UNKNOWN;
	any(known);
	if (from_x)
		return;
	switch (operation) {
	case BPF_AND:
		known->high = k < high ? k : high;
		break;
	case BPF_RSH:
		known->low = k < 32 ? low >> k : 0;
		known->high = k < 32 ? high >> k : 0;
		break;
	case BPF_LSH:
		if (k >= 32) {
			known->high = 0;
		} else if (high <= UINT32_MAX >> k) {
			known->low = low << k;
			known->high = high << k;
		}
		break;
	case BPF_ADD:
		if (high <= UINT32_MAX - k) {
			known->low = low + k;
			known->high = high + k;
		}
		break;
	case BPF_DIV:
		if (k) {
			known->low = low / k;
			known->high = high / k;
		}
		break;
	case BPF_MOD:
		if (k)
			known->high = k - 1 < high ? k - 1 : high;
		break;
	default:
		break;
	}
}

/* The bits that a value up to `high` can have. */
static __u32 bits_of(__u32 high)
{
	__u32 bits = high;

	for (int shift = 1; shift < 32; shift *= 2)
		bits |= bits >> shift;
	return bits;
}

void known_jump(const struct known *known, __u8 operation, bool with_x, __u32 k, struct known *yes,
		struct known *no)
{
	*yes = *no = *known;
	if (with_x)
		return;
	switch (operation) {
	case BPF_JEQ:
		yes->reached = known->low <= k && k <= known->high;
		no->reached = known->low != k || known->high != k;
		yes->low = yes->high = k;
		break;
	case BPF_JGT:
		yes->reached = known->high > k;
		no->reached = known->low <= k;
		if (yes->low <= k)
			yes->low = k + 1;
		if (no->high > k)
			no->high = k;
		break;
	case BPF_JGE:
		yes->reached = known->high >= k;
		no->reached = known->low < k;
		if (yes->low < k)
			yes->low = k;
		if (no->high >= k)
			no->high = k - 1;
		break;
	case BPF_JSET:
		yes->reached = bits_of(known->high) & k;
		break;
	default:
		break;
	}
}

bool known_certain(const struct known *known, __u8 operation, bool with_x, __u32 k)
{
	switch (known->truth) {
	case TRUE:
		return true;
	case TRUE_FIRST:
		return operation == BPF_JSET && !with_x && k == 1;
	case TRUE_ALL:
		return operation == BPF_JEQ && !with_x && k == known->high;
	default:
		return false;
	}
}
