/* SPDX-License-Identifier: Apache-2.0 */
/* Filters by libpcap's compiler: see filter.h. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
/* libpcap has its own struct bpf_insn and opcode names; linux/bpf.h in filter.h wins for both. */
#define bpf_insn classic_insn
#include <pcap/pcap.h>
#undef bpf_insn
#include "filter.h"
#include "translate.h"

/* What a tcpdump of today uses; only its being non-zero matters here. */
#define SNAPLEN 262144

/* libpcap's message as the end of the sentence "bad filter: …". */
static void explain(const char *message, char *err, size_t err_size)
{
	static const char prefix[] = "can't parse filter expression: ";

	if (!strncmp(message, prefix, sizeof(prefix) - 1))
		message += sizeof(prefix) - 1;
	if (!strcmp(message, "syntax error"))
		message = "syntax error: it is not a pcap-filter(7) expression";
	if (!strncmp(message, "unknown host", 12) || !strncmp(message, "unknown network", 15))
		snprintf(err, err_size, "%s: names are not looked up, give the address", message);
	else
		snprintf(err, err_size, "%s", *message ? message : "libpcap gave no reason");
}

/* 0, or -1 with the reason. The caller frees the program with pcap_freecode(). */
static int compile_classic(const char *expr, enum filter_link link, struct bpf_program *program,
			   char *err, size_t err_size)
{
	pcap_t *pcap;
	int result;

	if (strlen(expr) > FILTER_MAX) {
		snprintf(err, err_size, "it is longer than %d bytes: say it with fewer terms",
			 FILTER_MAX);
		return -1;
	}
	pcap = pcap_open_dead(link == FILTER_ETHERNET ? DLT_EN10MB : DLT_RAW, SNAPLEN);
	if (!pcap) {
		snprintf(err, err_size, "not enough memory");
		return -1;
	}
	result = pcap_compile(pcap, program, expr, 1, PCAP_NETMASK_UNKNOWN);
	if (result)
		explain(pcap_geterr(pcap), err, err_size);
	pcap_close(pcap);
	return result ? -1 : 0;
}

int filter_compile(const char *expr, enum filter_link link, struct filter_insns *out, char *err,
		   size_t err_size)
{
	static struct classic_insn never[] = {{.code = BPF_RET | BPF_K, .k = 0}};
	struct bpf_program program, elsewhere = {.bf_insns = never, .bf_len = 1};
	char ignored[PCAP_ERRBUF_SIZE];
	int result;

	*out = (struct filter_insns){0};
	if (!compile_classic(expr, link, &program, err, err_size)) {
		result = translate(&program, out, err, err_size);
		pcap_freecode(&program);
		return result;
	}
	/* The message for the caller is that of its own link. */
	if (compile_classic(expr, link == FILTER_IP ? FILTER_ETHERNET : FILTER_IP, &program,
			    ignored, sizeof(ignored)))
		return -1;
	pcap_freecode(&program);
	return translate(&elsewhere, out, err, err_size);
}

void filter_free(struct filter_insns *insns)
{
	free(insns->insns);
	*insns = (struct filter_insns){0};
}

int filter_check(const char *expr, char *err, size_t err_size)
{
	struct filter_insns insns;

	if (filter_compile(expr, FILTER_ETHERNET, &insns, err, err_size))
		return -1;
	filter_free(&insns);
	return 0;
}
