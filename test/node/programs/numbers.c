// SPDX-License-Identifier: Apache-2.0
/*
 * numbers SOURCE DESTINATION PORT FIRST COUNT: sends UDP packets as fast as it can, each with a
 * source port and an IP id of its own: 1024 + n % 60000 and n % 65536, n from FIRST on. Prints
 * SENT=count.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/ip.h>
#include <netinet/udp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

struct packet {
	struct iphdr ip;
	struct udphdr udp;
	unsigned int number;
};

static void die(const char *what)
{
	fprintf(stderr, "numbers: %s: %s\n", what, strerror(errno));
	exit(1);
}

int main(int argc, char **argv)
{
	struct packet packet = {
		.ip = {.version = 4, .ihl = 5, .ttl = 64, .protocol = IPPROTO_UDP},
		.udp = {.len = htons(sizeof(packet) - sizeof(packet.ip))},
	};
	struct sockaddr_in to = {.sin_family = AF_INET};
	unsigned long first, count;
	int raw;

	if (argc != 6 || inet_pton(AF_INET, argv[1], &packet.ip.saddr) != 1 ||
	    inet_pton(AF_INET, argv[2], &to.sin_addr) != 1) {
		fprintf(stderr, "numbers: SOURCE DESTINATION PORT FIRST COUNT\n");
		return 2;
	}
	packet.ip.daddr = to.sin_addr.s_addr;
	packet.udp.dest = htons((unsigned short)atoi(argv[3]));
	first = strtoul(argv[4], NULL, 10);
	count = strtoul(argv[5], NULL, 10);
	/* The kernel fills in the header's length and checksum: raw(7). */
	raw = socket(AF_INET, SOCK_RAW, IPPROTO_RAW);
	if (raw < 0)
		die("raw socket");
	for (unsigned long n = first; n < first + count; n++) {
		packet.ip.id = htons((unsigned short)(n ? n : 1));
		packet.udp.source = htons((unsigned short)(1024 + n % 60000));
		packet.number = htonl((unsigned int)n);
		while (sendto(raw, &packet, sizeof(packet), 0, (struct sockaddr *)&to, sizeof(to)) <
		       0)
			if (errno != ENOBUFS && errno != EAGAIN)
				die("send");
	}
	printf("SENT=%lu\n", count);
	return 0;
}
