/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/* All that the BPF side must know of a processor: where a function's arguments and caller are. */
#ifndef PACKET_TRAIL_ARCH_H
#define PACKET_TRAIL_ARCH_H

#include "state.h"

#include <linux/ptrace.h>
#include <bpf/bpf_helpers.h>
#include <bpf/bpf_tracing.h>

/*
 * One load of the context at a constant offset, which is all that the verifier allows: the comment
 * makes each different, so that the compiler doesn't fold them into one load at a computed place.
 */
#define CASE(position, field)                                                                      \
	case position: {                                                                           \
		u64 value_ = (field);                                                              \
		asm volatile("# argument " #position : "+r"(value_));                              \
		return value_;                                                                     \
	}

#if defined(__TARGET_ARCH_x86)
/* System V ABI: six in registers, then the stack above the return address. */
#define REGISTER_ARGUMENTS   6
#define STACK_ARGUMENTS(ctx) (PT_REGS_SP(ctx) + 8)

static __always_inline u64 caller_address(struct pt_regs *ctx)
{
	return read_word(PT_REGS_SP(ctx));
}

/* Where the kprobe is: the breakpoint has one byte, and what stands in for it says the same. */
static __always_inline u64 probe_address(struct pt_regs *ctx)
{
	return PT_REGS_IP(ctx) - 1;
}

static __always_inline u64 register_argument(struct pt_regs *ctx, u32 position)
{
	switch (position) {
		CASE(1, PT_REGS_PARM1(ctx));
		CASE(2, PT_REGS_PARM2(ctx));
		CASE(3, PT_REGS_PARM3(ctx));
		CASE(4, PT_REGS_PARM4(ctx));
		CASE(5, PT_REGS_PARM5(ctx));
		CASE(6, ctx->r9);
	default:
		return 0;
	}
}
#elif defined(__TARGET_ARCH_arm64)
/* AAPCS64: eight in registers, then the stack; the return address is in x30. */
#define REGISTER_ARGUMENTS   8
#define STACK_ARGUMENTS(ctx) PT_REGS_SP(ctx)

static __always_inline u64 caller_address(struct pt_regs *ctx)
{
	return PT_REGS_RET(ctx);
}

/* Where the kprobe is. */
static __always_inline u64 probe_address(struct pt_regs *ctx)
{
	return PT_REGS_IP(ctx);
}

static __always_inline u64 register_argument(struct pt_regs *ctx, u32 position)
{
	const struct user_pt_regs *regs = (const void *)ctx;

	switch (position) {
		CASE(1, regs->regs[0]);
		CASE(2, regs->regs[1]);
		CASE(3, regs->regs[2]);
		CASE(4, regs->regs[3]);
		CASE(5, regs->regs[4]);
		CASE(6, regs->regs[5]);
		CASE(7, regs->regs[6]);
		CASE(8, regs->regs[7]);
	default:
		return 0;
	}
}
#else
#error "this processor is not known: say here where arguments and the return address are"
#endif

/* The argument at this position, counted from 1, of the function that was just entered. */
static __always_inline u64 argument(struct pt_regs *ctx, u32 position)
{
	u64 value = 0;

	if (position <= REGISTER_ARGUMENTS)
		return register_argument(ctx, position);
	bpf_probe_read_kernel(
		&value, sizeof(value),
		(const void *)(STACK_ARGUMENTS(ctx) + 8 * (position - REGISTER_ARGUMENTS - 1)));
	return value;
}

#endif
