// SPDX-License-Identifier: Apache-2.0
/* Atomic instructions that give the value before: see exchange.h. */
#include "exchange.h"

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <stddef.h>
#include <unistd.h>

bool exchange_works(void)
{
	static const struct bpf_insn exchange[] = {
		{.code = BPF_ST | BPF_MEM | BPF_DW, .dst_reg = BPF_REG_10, .off = -8},
		{.code = BPF_ALU64 | BPF_MOV | BPF_K, .dst_reg = BPF_REG_0},
		{.code = BPF_ALU64 | BPF_MOV | BPF_K, .dst_reg = BPF_REG_1, .imm = 1},
		{.code = BPF_STX | BPF_ATOMIC | BPF_DW,
		 .dst_reg = BPF_REG_10,
		 .src_reg = BPF_REG_1,
		 .off = -8,
		 .imm = BPF_CMPXCHG},
		{.code = BPF_ALU64 | BPF_MOV | BPF_K, .dst_reg = BPF_REG_0},
		{.code = BPF_JMP | BPF_EXIT},
	};
	int program = bpf_prog_load(BPF_PROG_TYPE_SOCKET_FILTER, "probe", "GPL", exchange,
				    sizeof(exchange) / sizeof(*exchange), NULL);

	if (program < 0)
		return false;
	close(program);
	return true;
}

void without_exchange(struct bpf_object *object)
{
	struct bpf_program *program;

	bpf_object__for_each_program (program, object) {
		struct bpf_insn *insns = (struct bpf_insn *)bpf_program__insns(program);
		size_t count = bpf_program__insn_cnt(program);

		for (size_t i = 0; i < count; i++)
			if (insns[i].code == (BPF_STX | BPF_ATOMIC | BPF_DW) &&
			    insns[i].imm == BPF_CMPXCHG)
				insns[i] = (struct bpf_insn){.code = BPF_ALU64 | BPF_MOV | BPF_K,
							     .dst_reg = BPF_REG_0,
							     .imm = -1};
	}
}
