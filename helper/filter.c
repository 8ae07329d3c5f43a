/* SPDX-License-Identifier: Apache-2.0 */
/* Filters by libpcap's compiler: see filter.h. */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
/* libpcap has its own struct bpf_insn and opcode names; linux/bpf.h in filter.h wins for both. */
#define bpf_insn classic_insn
#include <pcap/pcap.h>
#undef bpf_insn
#include "filter.h"
#include "translate.h"
#include "../bpf/event.h"

/* What a tcpdump of today uses; only its being non-zero matters here. */
#define SNAPLEN 262144

/* Added to libpcap by libpcap.sh: VLAN tags are where Linux has them, not only in the frame. */
void packet_trail_as_live(pcap_t *pcap);

/* libpcap's message as the end of the sentence "bad filter: …". */
static void explain(const char *expr, const char *message, char *err, size_t err_size)
{
	static const char prefix[] = "can't parse filter expression: ";

	if (!strncmp(message, prefix, sizeof(prefix) - 1))
		message += sizeof(prefix) - 1;
	if (!strcmp(message, "syntax error"))
		message = "syntax error: it is not a pcap-filter(7) expression";
	if (!strcmp(message, "expression rejects all packets") && strstr(expr, "ip6") &&
	    strchr(expr, '['))
		message =
			"no packet can match it: tcp[…] and its like look into IPv4 alone; of IPv6 "
			"take ip6[40 + …], such as ip6[53] for tcp[13]";
	else if (!strcmp(message, "expression rejects all packets"))
		message = "no packet can match it: its terms exclude each other";
	if (!strncmp(message, "unknown host", 12) || !strncmp(message, "unknown network", 15))
		snprintf(err, err_size, "%s: names are not looked up, give the address", message);
	else
		snprintf(err, err_size, "%s", *message ? message : "libpcap gave no reason");
}

/* 0, or -1 with the reason. The caller frees the program with pcap_freecode(). */
static int compile_classic(const char *expr, struct bpf_program *program, char *err,
			   size_t err_size)
{
	pcap_t *pcap;
	int result;

	if (strlen(expr) > FILTER_MAX) {
		snprintf(err, err_size, "it is longer than %d bytes: say it with fewer terms",
			 FILTER_MAX);
		return -1;
	}
	pcap = pcap_open_dead(DLT_EN10MB, SNAPLEN);
	if (!pcap) {
		snprintf(err, err_size, "not enough memory");
		return -1;
	}
	packet_trail_as_live(pcap);
	result = pcap_compile(pcap, program, expr, 1, PCAP_NETMASK_UNKNOWN);
	if (result)
		explain(expr, pcap_geterr(pcap), err, err_size);
	pcap_close(pcap);
	return result ? -1 : 0;
}

int filter_compile(const char *expr, enum filter_link link, struct filter_insns *out, char *err,
		   size_t err_size)
{
	struct bpf_program program;
	int result;

	*out = (struct filter_insns){0};
	if (compile_classic(expr, &program, err, err_size))
		return -1;
	result = translate(&program, link, out, err, err_size);
	pcap_freecode(&program);
	return result;
}

void filter_free(struct filter_insns *insns)
{
	free(insns->insns);
	*insns = (struct filter_insns){0};
}

int filter_check(const char *expr, char *err, size_t err_size)
{
	struct filter_insns ethernet, ip;
	int result = 0;

	if (filter_compile(expr, FILTER_ETHERNET, &ethernet, err, err_size))
		return -1;
	if (filter_compile(expr, FILTER_IP, &ip, err, err_size)) {
		filter_free(&ethernet);
		return -1;
	}
	if (ethernet.never && ip.never) {
		if (ethernet.beyond)
			snprintf(err, err_size,
				 "no packet can match it: it looks at byte %u of the frame, and a "
				 "filter sees the first %d",
				 ethernet.beyond, FILTER_SCRATCH);
		else
			snprintf(err, err_size,
				 "no packet can match it: its terms exclude each other");
		result = -1;
	}
	filter_free(&ethernet);
	filter_free(&ip);
	return result;
}

/* ---- for both links ---- */

/* The expression that leaves out what is `never` wanted, for the caller to free. */
static char *without(const char *expression, const char *never)
{
	char *text;

	/* It comes first: what follows `vlan` or `mpls` in an expression looks behind that header.
	 */
	if (asprintf(&text, *expression ? "not (%s) and (%s)" : "not (%s)", never, expression) < 0)
		return NULL;
	return text;
}

static int compile(struct filter_insns *out, enum filter_link link, const char *expression,
		   char *error, size_t size)
{
	static const struct bpf_insn always[] = {
		{.code = BPF_ALU64 | BPF_MOV | BPF_K, .dst_reg = BPF_REG_0, .imm = 1},
		{.code = BPF_JMP | BPF_EXIT},
	};

	if (*expression)
		return filter_compile(expression, link, out, error, size);
	out->insns = malloc(sizeof(always));
	if (!out->insns)
		return -1;
	memcpy(out->insns, always, sizeof(always));
	out->cnt = sizeof(always) / sizeof(*always);
	return 0;
}

int filters_compile(struct filters *filters, const char *expression, const char *never, char *error,
		    size_t size)
{
	char *whole = NULL;

	memset(filters, 0, sizeof(*filters));
	snprintf(error, size, "out of memory");
	/* By itself first: "icmp) or (tcp" is none. */
	if (*expression && filter_check(expression, error, size))
		return -1;
	if (*never) {
		whole = without(expression, never);
		if (!whole)
			return -1;
		expression = whole;
	}
	if (compile(&filters->ethernet, FILTER_ETHERNET, expression, error, size) ||
	    compile(&filters->ip, FILTER_IP, expression, error, size))
		goto bad;
	/* Jumps reach 32767 instructions far. */
	if (filters->ethernet.cnt > INT16_MAX || filters->ip.cnt > INT16_MAX) {
		snprintf(error, size, "it takes more than %d instructions: give a shorter one",
			 INT16_MAX);
		goto bad;
	}
	filters->every = !*expression;
	*error = '\0';
	free(whole);
	return 0;
bad:
	free(whole);
	filters_free(filters);
	return -1;
}

void filters_free(struct filters *filters)
{
	filter_free(&filters->ethernet);
	filter_free(&filters->ip);
}
