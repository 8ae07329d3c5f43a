/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A translated filter gives the verdict of libpcap's own interpreter on every packet, and the
 * kernel's verifier takes it.
 *   filter_test            all three parts: interpreter, kernel (where allowed), bad expressions
 * It is long by its tables: packets of each shape, and expressions of each instruction.
 */
#include <errno.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>
#define bpf_insn classic_insn
#include <pcap/pcap.h>
#undef bpf_insn
#include <linux/if_ether.h>
#include "../filter.h"
#include "../../bpf/event.h"

#define PACKET_MAX 320

struct packet {
	enum filter_link link;
	uint32_t length; /* captured, as far as the packet has it */
	uint32_t wire;
	uint32_t tag; /* beside the bytes: type and tag, 0 = none */
	uint8_t bytes[PACKET_MAX];
};

static unsigned int passed, failed, skipped;

static void verdict(bool good, const char *format, ...) __attribute__((format(printf, 2, 3)));

static void verdict(bool good, const char *format, ...)
{
	va_list arguments;

	if (good) {
		passed++;
		return;
	}
	failed++;
	if (failed > 20)
		return;
	fputs("FAILED: ", stdout);
	va_start(arguments, format);
	vprintf(format, arguments);
	va_end(arguments);
	putchar('\n');
}

/* xorshift: the same packets in every run. */
static uint32_t seed = 2463534242U;

static uint32_t any(uint32_t below)
{
	seed ^= seed << 13;
	seed ^= seed >> 17;
	seed ^= seed << 5;
	return below ? seed % below : seed;
}

/* clang-format off */
static const char *const expressions[] = {
	"", "ip", "ip6", "arp", "rarp", "tcp", "udp", "sctp", "icmp", "icmp6", "igmp", "ah", "esp", "pim", "vrrp",
	"host 10.0.0.1", "src host 10.0.0.1", "dst host 10.0.0.2", "src or dst host 10.0.0.3",
	"src and dst host 10.0.0.1", "not host 10.0.0.1", "host 10.0.0.1 and host 10.0.0.2",
	"host 2001:db8::1", "src host 2001:db8::2", "dst host 2001:db8::1", "ip6 host 2001:db8::3",
	"net 10.0.0.0/8", "src net 10.0.0.0/24", "dst net 192.168.0.0/16", "net 10.0.0.0 mask 255.255.255.0",
	"net 2001:db8::/32", "src net 2001:db8::/64", "dst net fe80::/10", "net 10", "net 192.168.1",
	"port 80", "src port 8080", "dst port 53", "tcp port 8080", "udp port 53", "sctp port 80",
	"tcp src port 80", "udp dst port 53", "portrange 1-1023", "tcp dst portrange 8000-9000",
	"src portrange 50-60", "tcp port 80 or udp port 53", "port 80 and port 8080", "not port 80",
	"ip proto 6", "ip proto 17", "ip6 proto 17", "ip6 proto 58", "proto 47", "ip proto 132", "ip[9] = 6", "ip[0] & 0xf > 5",
	"ip[6:2] & 0x1fff = 0", "ip[6:2] & 0x1fff != 0", "ip[6] & 0x20 != 0", "ip[2:2] > 100", "ip[8] < 5",
	"ip[12:4] = 0x0a000001", "ip[16:4] & 0xffffff00 = 0x0a000000", "ip6[6] = 6", "ip6[40] = 0",
	"tcp[13] = 2", "tcp[tcpflags] & tcp-syn != 0", "tcp[tcpflags] & (tcp-syn|tcp-ack) == tcp-syn",
	"tcp[tcpflags] & tcp-rst != 0", "tcp[tcpflags] & (tcp-fin|tcp-push) != 0", "tcp[12] >> 4 > 5",
	"tcp[((tcp[12] & 0xf0) >> 2):4] = 0x47455420", "tcp[((tcp[12:1] & 0xf0) >> 2):1] < 128",
	"tcp[2:2] = 8080", "tcp[4:4] > 1000000", "tcp[14:2] * 2 > 65535", "udp[4:2] > 20", "udp[8] = 0",
	"udp[8:4] & 0xff = 7", "icmp[icmptype] = icmp-echo", "icmp[icmptype] != icmp-echoreply",
	"icmp[icmptype] = icmp-unreach and icmp[icmpcode] = 3", "icmp[0] = 8 and icmp[1] = 0",
	"icmp6[icmp6type] = icmp6-echo", "icmp6[0] = 135", "sctp[0:2] = 80", "icmp[4:2] = 1",
	"len > 100", "len <= 60", "greater 128", "less 64", "len = 60", "len - 14 > 50", "len % 2 = 0",
	"ip[2:2] = len - 14", "ip[0] * ip[1] = 0", "ip[8] / 2 > 31", "ip[8] / ip[1] > 3", "ip[8] % ip[1] = 1",
	"100 / ip[8] > 1", "ip[4:2] ^ 0xffff > 32768", "ip[4:2] << 3 > 1000", "ip[4:2] >> ip[8] = 0",
	"ip[4:2] << ip[1] = 0", "1 << ip[8] = 0", "ip[4:4] >> 31 = 0", "-ip[8] < 0xffffff00", "ip[8] + ip[9] > 128",
	"ip[8] - ip[9] > 0x80000000", "ip[12:4] - 0x0a000001 > 5", "ip[12:4] > 0x80000000", "ip[12:4] >= 0xc0a80000",
	"ip[ip[8]] = 0", "ip[ip[8]:2] > 100", "ip[ip[8]:4] & 1 = 1", "ip[ip[9] + 200] = 1", "ip[ip[4:4]] = 1",
	"ip[0 - 1] = 0", "ip[ip[8] - 255] = 1", "tcp[tcp[13]] > 3", "udp[udp[4:2]:2] = 0", "ip[255] = 1", "ip[236:4] = 0",
	"ip[242] = 1", "ip[252:4] = 0", "ip[253:4] = 0", "ip[256] = 1", "ip[65535] = 1", "ip[4294967290] = 1",
	"tcp[240] = 0", "ip6[255] = 0", "ip[4:4] & ip[8:4] | ip[12:4] > 77",
	"ip broadcast", "ip multicast", "ip6 multicast", "multicast", "broadcast",
	"ether host 02:00:00:00:00:01", "ether src 02:00:00:00:00:02", "ether dst ff:ff:ff:ff:ff:ff",
	"ether proto 0x0800", "ether proto 0x86dd", "ether[0] & 1 = 1", "ether[12:2] = 0x0806", "ether[6:4] > 77",
	"ether[ether[14]] = 0x45", "ether broadcast", "ether multicast", "arp host 10.0.0.1", "arp[6:2] = 1",
	"vlan", "vlan 5", "vlan and ip", "vlan 5 and tcp port 80", "vlan and vlan", "vlan 5 or tcp", "ip and vlan",
	"mpls", "mpls 16", "pppoes", "pppoes and ip", "geneve", "not ip", "not (tcp or udp)", "not tcp and not udp and not icmp",
	"(tcp or udp) and (port 53 or port 80) and not host 10.0.0.1", "tcp and (src host 10.0.0.1 or src net 192.168.0.0/16)",
	"icmp or icmp6 or arp", "tcp port 80 and (((ip[2:2] - ((ip[0]&0xf)<<2)) - ((tcp[12]&0xf0)>>2)) != 0)",
	"host 10.0.0.1 or host 10.0.0.2 or host 10.0.0.3 or host 192.168.1.1 or host 2001:db8::1 or host 2001:db8::2",
	"ip host 10.0.0.1 and ip6", "ether proto 0x1234", "iso", "stp", "ipx", "aarp", "atalk", "decnet host 1.2",
	"llc", "ip[1] & 0xfc >> 2 = 46", "ip[0:4] = 0x45000000", "gre", "ip proto gre", "0 = 0", "1 = 0",
	"ip[8] = 64 and ip[9] = 6 and tcp[13] & 0x12 = 0x12 and tcp[20] = 1",
	"len / ip[1] = 1", "len << ip[1] > 5", "len & ip[1] = len",

	/* pcap-filter(7)'s own examples, with addresses for its names. */
	"host 10.0.0.1", "net 128.3", "port 20", "portrange 6000-6008", "src 10.0.0.1", "dst net 128.3",
	"src or dst port ftp-data", "ether src 02:00:00:00:00:01", "arp net 128.3", "tcp port 21",
	"udp portrange 7000-7009", "wlan addr2 0:2:3:4:5:6", "host 10.0.0.1 and not port ftp and not port ftp-data",
	"tcp dst port ftp or ftp-data or domain", "tcp dst port ftp or tcp dst port ftp-data or tcp dst port domain",
	"ip host 10.0.0.1", "ether proto \\ip and host 10.0.0.1",
	"ether host 02:00:00:00:00:01 and not host 10.0.0.1", "gateway 10.0.0.1", "ip protochain 6", "ip6 protochain 6",
	"tcp src port 80", "vlan 100 && vlan 200", "vlan && vlan 300 && ip", "mpls 100000 && mpls 1024",
	"mpls && mpls 1024 && host 192.9.200.1", "pppoes 0x27 && ip", "geneve 0xb && ip", "ether[0] & 1 != 0",
	"ip[0] & 0xf != 5", "ip[6:2] & 0x1fff = 0", "not host 10.0.0.1 and 10.0.0.2",
	"not (host 10.0.0.1 or 10.0.0.2)", "not host 10.0.0.1 and host 10.0.0.2", "ip host 10.0.0.1 and not 10.0.0.2",
	"host 10.0.0.1 and ( 10.0.0.2 or 10.0.0.3 )", "net 10.0.0.0/24", "gateway 10.0.0.1 and (port ftp or ftp-data)",
	"ip and not net 10.0.0.0/24", "tcp[tcpflags] & (tcp-syn|tcp-fin) != 0 and not src and dst net 10.0.0.0/24",
	"tcp[tcpflags] & (tcp-rst|tcp-ack) == (tcp-rst|tcp-ack)", "gateway 10.0.0.1 and ip[2:2] > 576",
	"tcp port 80 and (((ip[2:2] - ((ip[0]&0xf)<<2)) - ((tcp[12]&0xf0)>>2)) != 0)",
	"ether[0] & 1 = 0 and ip[16] >= 224", "icmp[icmptype] != icmp-echo and icmp[icmptype] != icmp-echoreply",
	"ether proto \\arp", "ip proto \\tcp", "ip6 proto \\udp", "tcp or udp or icmp", "ether proto \\ip6",

	/* What people who debug networks write. */
	"tcp port 443 and tcp[tcpflags] & tcp-syn != 0", "tcp[tcpflags] & (tcp-syn|tcp-ack) == tcp-syn and dst port 8080",
	"tcp[tcpflags] == tcp-rst", "tcp[13] & 4 != 0", "tcp[13] & 7 != 0 and src net 10.0.0.0/8", "tcp[13] = 18",
	"udp port 53 and udp[10] & 0x80 = 0", "udp port 53 and udp[10] & 0x80 != 0", "udp port 53 and udp[11] & 0xf = 3",
	"udp port 67 or udp port 68", "udp dst port 8472", "udp port 4789 and udp[8:2] = 0x0800",
	"udp port 4789 and udp[11:4] & 0xffffff = 42", "udp dst portrange 33434-33534",
	"icmp[0] = 3 and icmp[1] = 4", "icmp[icmptype] = icmp-timxceed", "icmp[icmptype] = icmp-redirect",
	"icmp6[icmp6type] = icmp6-echoreply", "icmp6[icmp6type] = icmp6-neighborsolicit", "icmp6[0] = 134 or icmp6[0] = 136",
	"ip6 and ip6[6] = 58", "ip6[6] = 44", "ip6[6] = 0", "ip6[7] < 5", "ip6[4:2] > 100", "ip6[0:4] & 0xfffff = 0",
	"ip6 and tcp", "ip6 and port 53", "ip6 host fe80::1 or ip6 host ff02::1", "ip6 net ff02::/16",
	"net 2001:db8::/33", "src net 2001:db8::/127", "dst host ff02::2 and icmp6", "ip6 proto 132",
	"ip[6:2] & 0x3fff != 0", "ip[6] & 0x40 != 0", "ip[6:2] & 0x2000 != 0 and ip[6:2] & 0x1fff = 0",
	"ip[6:2] & 0x1fff > 0 and udp", "ip[6:2] & 0x1fff > 0 and port 80", "ip[1] & 0x3 = 3", "ip[1] >> 2 = 46",
	"ip[4:2] = 0", "ip[10:2] = 0", "ip[8] = 1", "ip[9] = 50 or ip[9] = 51", "ip[20:2] = 80", "ip[0] != 0x45",
	"net 10.0.0.0/8 and not net 10.0.0.0/24", "src net 10.0.0.0/30 or dst net 192.168.1.0/29",
	"net 192.168.1.0 mask 255.255.255.252", "host 192.168.1.3 and udp", "src 10.0.0.2 and dst 192.168.1.1",
	"src host 10.0.0.1 and dst host 10.0.0.2 and tcp and dst port 80", "(src 10.0.0.1 and dst 10.0.0.2) or (src 10.0.0.2 and dst 10.0.0.1)",
	"host 255.255.255.255", "dst 224.0.0.1", "igmp or pim", "ip multicast and udp", "ether multicast and ip6",
	"ether broadcast and arp", "arp and arp[6:2] = 2", "arp[14:4] = 0x0a000001", "arp src host 10.0.0.1", "arp dst host 10.0.0.1",
	"ether[0:4] = 0xffffffff", "ether[12:2] > 1500", "ether[12:2] <= 1500", "ether proto 0x88a8", "ether proto 0x8100",
	"ether proto 0x8847", "ether proto 0x8863 or ether proto 0x8864", "ether proto 0x88cc", "ether dst 02:00:00:00:00:03 and tcp",
	"vlan 5 and host 10.0.0.1", "vlan 5 and icmp6", "vlan 5 and vlan 5 and tcp", "vlan and arp", "vlan and ip6 and udp port 53",
	"not vlan", "vlan 4095", "vlan 0", "vlan and ether[14:2] & 0xfff = 5", "ip or (vlan and ip)", "tcp port 80 or (vlan and tcp port 80)",
	"mpls and ip", "mpls and mpls", "mpls 16 and tcp port 80", "pppoed", "pppoes 5", "pppoes and tcp", "geneve and tcp",
	"sctp port 80 or sctp port 8080", "sctp src port 53", "sctp[12] = 1", "sctp[4:4] = 0", "esp or ah", "ah and host 10.0.0.1",
	"tcp[0:2] > 1024", "tcp[0:2] < 1024 or tcp[2:2] < 1024", "tcp[14:2] = 0", "tcp[8:4] = 0", "tcp[12] & 0xf0 > 0x50",
	"tcp[((tcp[12] & 0xf0) >> 2):4] = 0x48545450", "tcp port 22 and tcp[(tcp[12]>>2):4] = 0x5353482d",
	"len > 1000 and tcp", "len < 64 or len > 1514", "greater 1000 and udp", "less 60 and icmp", "len = 1500", "len != 60",
	"(tcp or udp) and not (port 22 or port 53)", "not (host 10.0.0.1 and port 80)", "tcp and not port 80 and not port 8080",
	"ip proto 4", "ip proto 41", "ip proto 47 or ip proto 50", "ip6 proto 43", "proto \\sctp", "proto 58", "ip proto 255",
	"portrange 50-60 and udp", "dst portrange 1-65535", "portrange 8999-8080", "tcp portrange 80-80", "src port 0", "dst port 65535",
	"link proto 0x0800", "ip[2:2] - ((ip[0] & 0xf) << 2) > 100", "ip[2:2] & 3 = 0 and ip[8] & 1 = 1",
	"ip[0] & 0xf0 = 0x40 and ip[0] & 0x0f = 6", "ip[12:2] = ip[16:2]", "ip[12:4] = ip[16:4]", "tcp[0:2] = tcp[2:2]",
	"udp[0:2] + udp[2:2] > 1000", "ip[8] * 2 + ip[9] * 3 > 200", "ip[4:2] % 7 = 3", "ip[4:2] | ip[6:2] = 0", "~ip[8] = 1",
	"ip[16:4] >= 0xe0000000 and ip[16:4] <= 0xefffffff", "((ip[12:4] ^ 0x0a000001) & 0xfffffffc) = 0",
	"not ether broadcast", "icmp and not ether broadcast", "ip and not ip multicast and not ether broadcast",
	"not ether multicast and udp", "not broadcast and not multicast", "ether[0] & 1 = 0 and icmp", "ether[0] & 1 != 0 and ip6",
	"(vlan 5 and icmp) or (vlan 6 and icmp)", "vlan 5 and vlan 6", "vlan and vlan and udp", "icmp or vlan 5", "vlan 5 or vlan 6",
	"not (vlan 5)", "vlan 5 and len > 100", "vlan and ip6 and icmp6[0] = 135", "vlan 5 and tcp[tcpflags] & tcp-syn != 0",
	"vlan and mpls", "vlan and pppoes", "not ether host 02:00:00:00:00:01", "icmp or ether src 02:00:00:00:00:02",
	"tcp port 1 or 2 or 3 or 4 or 5 or 6 or 7 or 8 or 80", "host 10.0.0.0 or 10.0.0.1 or 10.0.0.2 or 10.0.0.3 or 10.0.0.4",
};
/* clang-format on */

#define EXPRESSIONS (sizeof(expressions) / sizeof(*expressions))

static void put16(uint8_t *at, uint32_t value)
{
	at[0] = (uint8_t)(value >> 8);
	at[1] = (uint8_t)value;
}

static size_t transport(uint8_t *at, uint8_t protocol)
{
	static const uint16_t ports[] = {80, 8080, 53, 22, 443, 1023, 55, 8999};
	static const uint8_t types[] = {0, 3, 8, 11, 128, 129, 135};

	if (protocol == 1 || protocol == 58) {
		at[0] = types[any(7)];
		at[1] = (uint8_t)any(4);
		put16(at + 4, any(3));
		return 8;
	}
	put16(at, any(4) ? ports[any(8)] : any(65536));
	put16(at + 2, any(4) ? ports[any(8)] : any(65536));
	if (protocol == 17) {
		put16(at + 4, 8 + any(64));
		return 8;
	}
	if (protocol == 6) {
		at[12] = (uint8_t)((5 + (any(4) ? 0 : any(11))) << 4);
		at[13] = any(3) ? (uint8_t)any(256) : 2;
		if (!any(3))
			memcpy(at + 4 * (at[12] >> 4), "GET / HTTP/1.1", 14);
	}
	return 20;
}

static size_t ipv4(uint8_t *at)
{
	static const uint8_t protocols[] = {6, 6, 17, 17, 1, 132, 47, 50, 51, 2, 4, 112};
	static const uint8_t nets[][3] = {
		{10, 0, 0}, {10, 0, 0}, {192, 168, 1}, {224, 0, 0}, {255, 255, 255}};
	size_t header = any(5) ? 20 : 4 * (5 + any(11));

	at[0] = (uint8_t)(0x40 | header / 4);
	at[1] = any(2) ? 0 : (uint8_t)any(64);
	put16(at + 2, any(400));
	if (!any(4))
		put16(at + 6, any(2) ? 0x2000 : any(0x4000));
	at[8] = any(2) ? 64 : (uint8_t)any(256);
	at[9] = protocols[any(12)];
	memcpy(at + 12, nets[any(5)], 3);
	at[15] = (uint8_t)any(5);
	memcpy(at + 16, nets[any(5)], 3);
	at[19] = any(5) ? (uint8_t)any(5) : 255;
	return header + transport(at + header, at[9]);
}

static size_t ipv6(uint8_t *at)
{
	static const uint8_t protocols[] = {6, 17, 58, 132};
	static const uint8_t extensions[] = {0, 43, 44, 60};
	static const uint8_t prefix[][4] = {
		{0x20, 1, 0xd, 0xb8}, {0xfe, 0x80, 0, 0}, {0xff, 2, 0, 0}};
	size_t size = 40;
	uint8_t *next = at + 6;

	at[0] = 0x60;
	put16(at + 4, any(300));
	at[7] = 64;
	memset(at + 8, 0, 32);
	memcpy(at + 8, prefix[any(3)], 4);
	at[23] = (uint8_t)any(4);
	memcpy(at + 24, prefix[any(3)], 4);
	at[39] = (uint8_t)any(4);
	while (!any(3) && size < 90) {
		*next = extensions[any(4)];
		next = at + size;
		at[size + 1] = *next == 44 ? 0 : (uint8_t)any(2);
		size += 8 + 8U * at[size + 1];
	}
	*next = protocols[any(4)];
	return size + transport(at + size, *next);
}

static void make_packet(struct packet *packet)
{
	size_t size = 0;

	for (size_t i = 0; i < PACKET_MAX; i++)
		packet->bytes[i] = any(3) ? 0 : (uint8_t)any(256);
	packet->link = any(3) ? FILTER_ETHERNET : FILTER_IP;
	if (packet->link == FILTER_ETHERNET) {
		uint8_t *type = packet->bytes + 12;

		memset(packet->bytes, 0, 12);
		packet->bytes[0] = packet->bytes[6] = 2;
		packet->bytes[5] = (uint8_t)any(4);
		packet->bytes[11] = (uint8_t)any(4);
		if (!any(5))
			memset(packet->bytes, 0xff, 6);
		while (!any(5) && type < packet->bytes + 24) {
			put16(type, any(2) ? 0x8100 : 0x88a8);
			put16(type + 2, any(2) ? 5 : any(65536));
			type += 4;
		}
		size = (size_t)(type + 2 - packet->bytes);
		switch (any(8)) {
		case 0:
			put16(type, 0x0806);
			put16(type + 8, 1 + any(2));
			memcpy(type + 16, "\x0a\0\0\1", 4);
			size += 28;
			break;
		case 1:
			put16(type, any(2) ? 0x8847 : any(65536));
			size += any(60);
			break;
		case 2:
		case 3:
		case 4:
			put16(type, 0x86dd);
			size += ipv6(packet->bytes + size);
			break;
		default:
			put16(type, 0x0800);
			size += ipv4(packet->bytes + size);
			break;
		}
	} else {
		size = any(3) ? ipv4(packet->bytes) : ipv6(packet->bytes);
	}
	size += any(120);
	if (!any(3))
		size = any((uint32_t)size + 1); /* cut anywhere */
	if (!any(20)) {
		for (size_t i = 0; i < PACKET_MAX; i++)
			packet->bytes[i] = (uint8_t)any(256);
		size = any(PACKET_MAX);
	}
	packet->tag = any(4) ? 0 : (any(2) ? 0x81000000U : 0x88a80000U) | (any(2) ? 5 : any(65536));
	packet->wire = (uint32_t)size + (any(4) ? 0 : any(1500));
	packet->length = size > FILTER_SCRATCH ? FILTER_SCRATCH : (uint32_t)size;
}

/*
 * Runs the eBPF code as Documentation/bpf/standardization/instruction-set.rst says, for the subset
 * that the translation uses. Returns false, with the reason printed, on anything that a verifier
 * would refuse: a read outside of the buffer or of an unset register, an unknown code.
 */
static bool interpret(const struct filter_insns *filter, const struct packet *packet,
		      uint64_t *result)
{
	/* Of its own allocation, so that the sanitizer sees any read behind it. */
	uint8_t *data = malloc(FILTER_SCRATCH);
	uint8_t stack[512];
	uint64_t r[11] = {0};
	bool good = false;

	if (!data)
		return false;
	memset(data, 0xa5,
	       FILTER_SCRATCH); /* what lies behind the captured bytes is none of ours */
	memset(stack, 0x5a, sizeof(stack));
	/* Nor is what the filter says it doesn't look at: it isn't read from the packet. */
	memcpy(data, packet->bytes,
	       packet->length < filter->extent ? packet->length : filter->extent);
	r[1] = (uintptr_t)data;
	r[2] = packet->wire | (uint64_t)packet->tag << 32;
	r[3] = packet->length | 0xbeef00000000ULL; /* the callee's to cut to 32 bits */
	r[10] = (uintptr_t)stack + sizeof(stack);
	size_t at_pc = 0;

	for (size_t pc = 0; pc < filter->cnt; pc++) {
		const struct bpf_insn *in = &filter->insns[pc];
		at_pc = pc;
		uint8_t class = in->code & 7, op = in->code & 0xf0;
		uint64_t src = in->code & BPF_X ? r[in->src_reg] : (uint64_t)(int64_t)in->imm;
		uint64_t *dst = &r[in->dst_reg];

		if (in->dst_reg > 10 || in->src_reg > 10 || (in->dst_reg > 5 && in->dst_reg != 10))
			goto refused;
		if (class == BPF_ALU && op == BPF_END) {
			uint8_t bytes[4];

			if (in->code != (BPF_ALU | BPF_END | BPF_TO_BE))
				goto refused;
			memcpy(bytes, dst, 4); /* the register as it lies in memory */
			*dst = in->imm == 16 ? (uint64_t)(bytes[0] << 8 | bytes[1])
					     : (uint64_t)bytes[0] << 24 | bytes[1] << 16 |
						       bytes[2] << 8 | bytes[3];
		} else if (class == BPF_ALU || class == BPF_ALU64) {
			bool wide = class == BPF_ALU64;
			uint64_t a = wide ? *dst : (uint32_t)*dst, b = wide ? src : (uint32_t)src;

			switch (op) {
			case BPF_ADD:
				a += b;
				break;
			case BPF_SUB:
				a -= b;
				break;
			case BPF_MUL:
				a *= b;
				break;
			case BPF_DIV:
				a = b ? a / b : 0;
				break;
			case BPF_MOD:
				a = b ? a % b : a;
				break;
			case BPF_OR:
				a |= b;
				break;
			case BPF_AND:
				a &= b;
				break;
			case BPF_XOR:
				a ^= b;
				break;
			case BPF_LSH:
			case BPF_RSH:
				if (!(in->code & BPF_X) && b > (wide ? 63 : 31))
					goto refused;
				b &= wide ? 63 : 31;
				a = op == BPF_LSH ? a << b : a >> b;
				break;
			case BPF_NEG:
				a = -a;
				break;
			case BPF_MOV:
				a = b;
				break;
			default:
				goto refused;
			}
			*dst = wide ? a : (uint32_t)a;
		} else if (class == BPF_LDX || class == BPF_STX || class == BPF_ST) {
			uint64_t at = (class == BPF_LDX ? r[in->src_reg] : *dst) +
				      (uint64_t)(int64_t)in->off;
			unsigned int size = (in->code & 0x18) == BPF_W	 ? 4
					    : (in->code & 0x18) == BPF_H ? 2
									 : 1;
			uint32_t value = 0;
			bool on_stack =
				at >= (uintptr_t)stack + 448 && at + size <= (uintptr_t)stack + 512;

			if ((in->code & 0xe0) != BPF_MEM)
				goto refused;
			if (class != BPF_LDX) {
				if (!on_stack)
					goto refused;
				value = (uint32_t)(class == BPF_ST ? (uint64_t)in->imm
								   : r[in->src_reg]);
				memcpy((void *)(uintptr_t)at, &value, size);
				continue;
			}
			if (!on_stack &&
			    (at < (uintptr_t)data || at + size > (uintptr_t)data + packet->length))
				goto refused;
			memcpy(&value, (void *)(uintptr_t)at, size);
			*dst = value;
		} else {
			uint64_t a = *dst, b = src;
			bool jump;

			if (class == BPF_JMP32) {
				a = (uint32_t)a;
				b = (uint32_t)b;
			}
			switch (op) {
			case BPF_JA:
				jump = true;
				break;
			case BPF_EXIT:
				*result = (uint32_t)r[0];
				good = true;
				goto done;
			case BPF_JEQ:
				jump = a == b;
				break;
			case BPF_JNE:
				jump = a != b;
				break;
			case BPF_JGT:
				jump = a > b;
				break;
			case BPF_JGE:
				jump = a >= b;
				break;
			case BPF_JLT:
				jump = a < b;
				break;
			case BPF_JLE:
				jump = a <= b;
				break;
			case BPF_JSET:
				jump = a & b;
				break;
			default:
				goto refused;
			}
			if (jump) {
				if (in->off < 0 || pc + 1 + (size_t)in->off >= filter->cnt)
					goto refused;
				pc += (size_t)in->off;
			}
		}
	}
refused:
	if (!good)
		printf("refused by the reference interpreter: instruction %zu, code %x\n", at_pc,
		       filter->insns[at_pc].code);
done:
	free(data);
	return good;
}

/* libpcap's own: filter.c and libpcap.sh, and what libpcap keeps in pcap-int.h. */
void packet_trail_as_live(pcap_t *pcap);
struct pcap_bpf_aux_data {
	u_short vlan_tag_present;
	u_short vlan_tag;
};
u_int pcapint_filter_with_aux_data(const struct classic_insn *program, const u_char *bytes,
				   u_int wire, u_int captured,
				   const struct pcap_bpf_aux_data *beside);

static int classic(const char *expression, struct bpf_program *program)
{
	pcap_t *pcap = pcap_open_dead(DLT_EN10MB, 262144);
	int result;

	if (!pcap)
		exit(1);
	packet_trail_as_live(pcap);
	result = pcap_compile(pcap, program, expression, 1, PCAP_NETMASK_UNKNOWN);
	pcap_close(pcap);
	return result;
}

static bool libpcap_says(const struct bpf_program *program, const uint8_t *frame,
			 const struct packet *packet, uint32_t header)
{
	struct pcap_bpf_aux_data beside = {.vlan_tag_present = packet->tag != 0,
					   .vlan_tag = (u_short)packet->tag};

	return pcapint_filter_with_aux_data(program->bf_insns, frame, packet->wire + header,
					    packet->length + header, &beside) != 0;
}

/* Where a packet will go by Ethernet; false when only the neighbour table knows. */
static bool to_group(const struct packet *packet, uint8_t *destination)
{
	const uint8_t *ip = packet->bytes;

	if (ip[0] >> 4 == 6 && ip[24] == 0xff) {
		memcpy(destination, "\x33\x33", 2);
		memcpy(destination + 2, ip + 36, 4);
	} else if (ip[0] >> 4 == 4 && !memcmp(ip + 16, "\xff\xff\xff\xff", 4)) {
		memset(destination, 0xff, 6);
	} else if (ip[0] >> 4 == 4 && ip[16] >> 4 == 0xe) {
		memcpy(destination, "\x01\x00\x5e", 3);
		destination[3] = ip[17] & 0x7f;
		memcpy(destination + 4, ip + 18, 2);
	} else {
		return false;
	}
	return true;
}

enum expected { NO, YES, DEPENDS };

/* libpcap's verdict; of a packet without an Ethernet header, on each frame that it may become. */
static enum expected expect(const struct bpf_program *program, const struct packet *packet)
{
	static const uint8_t any_host[][6] = {{2, 0, 0, 0, 0, 1},
					      {2, 0, 0, 0, 0, 2},
					      {2, 0, 0, 0, 0, 3},
					      {0x52, 0x54, 0, 18, 52, 86}};
	uint8_t frame[14 + PACKET_MAX] = {0}, version = packet->bytes[0] >> 4;
	unsigned int yes = 0, all = 0;

	if (packet->link == FILTER_ETHERNET)
		return libpcap_says(program, packet->bytes, packet, 0) ? YES : NO;
	memcpy(frame + 14, packet->bytes, PACKET_MAX);
	put16(frame + 12, version == 4 ? 0x0800 : version == 6 ? 0x86dd : 0);
	for (size_t to = 0; to < 4; to++) {
		memcpy(frame, any_host[to], 6);
		to_group(packet, frame);
		for (size_t from = 0; from < 4; from++, all++) {
			memcpy(frame + 6, any_host[from], 6);
			yes += libpcap_says(program, frame, packet, 14);
		}
	}
	return !yes ? NO : yes == all ? YES : DEPENDS;
}

/*
 * Is this what libpcap says? What depends on addresses that a packet doesn't have yet is no match.
 * Where a filter compares them first it may miss that the rest says yes whatever they are.
 */
static bool agrees(const char *expression, const struct packet *packet, enum expected expected,
		   bool matched)
{
	if (packet->link == FILTER_IP && !matched && expected == YES)
		/* Too short to tell where it goes, or bytes of the header that isn't there. */
		return packet->length < 25 || strstr(expression, "ether host") ||
		       strstr(expression, "ether src") || strstr(expression, "ether[");
	return matched == (expected == YES);
}

#define PACKETS 2400
static struct packet packets[PACKETS];
static unsigned int matches, misses, depends, meaningless;

static void same_verdict_as_libpcap(const char *expression, enum filter_link link)
{
	struct filter_insns filter;
	struct bpf_program program;
	char error[256] = "";

	if (filter_compile(expression, link, &filter, error, sizeof(error))) {
		if (!classic(expression, &program))
			pcap_freecode(&program);
		else
			meaningless++;
		/* No meaning at all: it must at least say why. */
		verdict(*error, "'%s' was refused without a reason", expression);
		return;
	}
	if (classic(expression, &program)) {
		verdict(false, "'%s' compiles here, and not by libpcap", expression);
		filter_free(&filter);
		return;
	}
	for (size_t i = 0; i < PACKETS; i++) {
		enum expected expected;
		uint64_t result = 0;

		if (packets[i].link != link || !packets[i].length)
			continue;
		expected = expect(&program, &packets[i]);
		matches += expected == YES;
		misses += expected == NO;
		depends += expected == DEPENDS;
		verdict(interpret(&filter, &packets[i], &result) &&
				agrees(expression, &packets[i], expected, result == FILTER_YES),
			"'%s' on packet %zu (link %d): %d expected, not %u", expression, i, link,
			expected, (uint32_t)result);
		verdict(!filter.never || result != FILTER_YES,
			"'%s' never matches, it says, and does", expression);
	}
	pcap_freecode(&program);
	filter_free(&filter);
}

static void what_cannot_match_is_refused(void)
{
	static const struct {
		const char *expression, *reason;
	} never[] = {
		{"inbound", "--interface"},
		{"inbound and icmp", "--interface"},
		{"outbound or ip", "--interface"},
		{"ifindex 3", "--interface"},
		{"ether[-4088:4] = 3", "--interface"},
		{"ether[-8] = 3", "before the packet's first byte"},
		{"ether[-1048576] = 3", "before the packet's first byte"},
		{"ip6 and tcp[tcpflags] & tcp-syn != 0", "ip6[53]"},
		{"ip and ip6", "exclude each other"},
		{"icmp and port 80", "exclude each other"},
		{"tcp[13] = 256", "exclude each other"},
		{"ip[8] > 255", "exclude each other"},
		{"ip[8] & 1 = 2", "exclude each other"},
		{"ip[8] > 9 and ip[8] < 5", "exclude each other"},
		{"1 = 0", "exclude each other"},
		{"ether[300] = 1", "byte 300"},
		{"icmp and ether[300:2] = 1", "byte 300"},
	};
	static const char *const may[] = {
		"ether[255] = 1",
		"ether[269] = 1",
		"ip[8] > 254",

		"vlan 5",
		"not vlan",
		"icmp and not ether broadcast",
		"ip6[6] = 6 and ip6[53] & 2 != 0",
		"tcp[((tcp[12:1] & 0xf0) >> 2):1] = 0x16",
	};
	char error[256];

	for (size_t i = 0; i < sizeof(never) / sizeof(*never); i++) {
		*error = 0;
		verdict(filter_check(never[i].expression, error, sizeof(error)) == -1 &&
				strstr(error, never[i].reason),
			"'%s' was refused so: '%s'", never[i].expression, error);
	}
	for (size_t i = 0; i < sizeof(may) / sizeof(*may); i++)
		verdict(!filter_check(may[i], error, sizeof(error)), "'%s' was refused: %s", may[i],
			error);
}

static void a_bad_expression_gives_a_reason(void)
{
	static const char *const bad[] = {"tcp port",
					  "(",
					  ")",
					  "tcp and",
					  "port 99999999",
					  "host",
					  "host 300.1.2.3.4",
					  "ip[",
					  "ip[0:3] = 1",
					  "foo bar",
					  "tcp port eighty eighty",
					  "host no-such-name.invalid",
					  "net 10.0.0.1/33",
					  "ip[0] = 1/0",
					  "\"",
					  "\\",
					  "ether host 1:2",
					  "tcp[tcpflags & 1",
					  "and",
					  "ip6 host 10.0.0.1",
					  "\x01\xff",
					  "%n%s",
					  "host 2001:db8::zz",
					  "port no-such-service",
					  "proto no-such-protocol",
					  "net no-such-net",
					  "ether host no-such-ether",
					  "src src 1.2.3.4",
					  "tcp && ||"};
	char error[256];
	char *longest = malloc(FILTER_MAX + 64);

	for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++) {
		*error = 0;
		verdict(filter_check(bad[i], error, sizeof(error)) == -1 && *error,
			"'%s' was taken", bad[i]);
	}
	if (!longest)
		exit(1);
	memset(longest, '(', FILTER_MAX);
	longest[FILTER_MAX] = 0;
	verdict(filter_check(longest, error, sizeof(error)) == -1 && *error,
		"8192 brackets were taken");
	memset(longest, ' ', FILTER_MAX + 1);
	longest[FILTER_MAX + 1] = 0;
	verdict(filter_check(longest, error, sizeof(error)) == -1 && strstr(error, "longer"),
		"an over-long expression was taken");
	free(longest);
	verdict(!filter_check("vlan", error, sizeof(error)),
		"an Ethernet-only expression was refused");
	verdict(!filter_check("tcp port 80", error, sizeof(error)),
		"a good expression was refused");
	verdict(!filter_check("port http or ip proto gre", error, sizeof(error)),
		"well-known names were refused: %s", error);
	verdict(filter_check("host localhost", error, sizeof(error)) == -1 &&
			strstr(error, "names are not looked up"),
		"a host name was looked up");
	verdict(filter_check("(", error, 1) == -1 && !*error, "a one-byte reason overran");
}

static void random_words_never_crash(void)
{
	static const char *const words[] = {
		"tcp",	 "udp", "ip",  "ip6", "host",	    "port", "and",	  "or",
		"not",	 "(",	")",   "[",   "]",	    ":",    "10.0.0.1",	  "80",
		"4",	 "2",	"0",   "=",   "!=",	    "<",    "&",	  "|",
		"<<",	 ">>",	"/",   "%",   "-",	    "ip[",  "] = 1",	  "vlan",
		"ether", "src", "dst", "net", "mask",	    "len",  "0xffffffff", "4294967295",
		"\x80",	 "'",	"::1", "/64", "protochain", "mpls", "pppoes"};
	char error[64], text[512];

	for (int i = 0; i < 5000; i++) {
		struct filter_insns filter;
		uint64_t result;
		size_t used = 0;

		text[0] = 0;
		for (uint32_t n = 1 + any(10); n; n--)
			used += (size_t)snprintf(text + used, sizeof(text) - used, "%s%s",
						 words[any(sizeof(words) / sizeof(*words))],
						 any(4) ? " " : "");
		if (any(4) == 0)
			text[any((uint32_t)used)] = (char)any(256);
		if (filter_compile(text, (enum filter_link)any(2), &filter, error, sizeof(error))) {
			verdict(*error != 0, "'%s' was refused without a reason", text);
			continue;
		}
		verdict(interpret(&filter, &packets[any(PACKETS)], &result), "'%s' made bad code",
			text);
		filter_free(&filter);
	}
}

static int bpf(int command, union bpf_attr *attr)
{
	return (int)syscall(SYS_bpf, command, attr, sizeof(*attr));
}

/*
 * The filter inside of a tc program: its 256 bytes, the lengths and the verdict lie in an array
 * map. value: u8 data[256], u32 wire, u32 tag, u32 captured, u32 verdict
 */
static int load(int map, const struct filter_insns *filter, char *log, size_t log_size)
{
	const struct bpf_insn head[] = {
		{.code = BPF_ST | BPF_MEM | BPF_W, .dst_reg = 10, .off = -4},
		{.code = BPF_LD | BPF_DW | BPF_IMM,
		 .dst_reg = 1,
		 .src_reg = BPF_PSEUDO_MAP_FD,
		 .imm = map},
		{0},
		{.code = BPF_ALU64 | BPF_MOV | BPF_X, .dst_reg = 2, .src_reg = 10},
		{.code = BPF_ALU64 | BPF_ADD | BPF_K, .dst_reg = 2, .imm = -4},
		{.code = BPF_JMP | BPF_CALL, .imm = BPF_FUNC_map_lookup_elem},
		{.code = BPF_JMP | BPF_JNE | BPF_K, .dst_reg = 0, .off = 1},
		{.code = BPF_JMP | BPF_EXIT},
		{.code = BPF_ALU64 | BPF_MOV | BPF_X, .dst_reg = 6, .src_reg = 0},
		{.code = BPF_ALU64 | BPF_MOV | BPF_X, .dst_reg = 1, .src_reg = 0},
		{.code = BPF_LDX | BPF_MEM | BPF_DW, .dst_reg = 2, .src_reg = 6, .off = 256},
		{.code = BPF_LDX | BPF_MEM | BPF_W, .dst_reg = 3, .src_reg = 6, .off = 264},
	};
	const struct bpf_insn tail[] = {
		{.code = BPF_STX | BPF_MEM | BPF_W, .dst_reg = 6, .src_reg = 0, .off = 268},
		{.code = BPF_ALU64 | BPF_MOV | BPF_K, .dst_reg = 0},
		{.code = BPF_JMP | BPF_EXIT},
	};
	size_t heads = sizeof(head) / sizeof(*head), count = heads + filter->cnt + 3;
	struct bpf_insn *code = calloc(count, sizeof(*code));
	union bpf_attr attr;
	int fd;

	if (!code)
		exit(1);
	memcpy(code, head, sizeof(head));
	memcpy(code + heads, filter->insns, filter->cnt * sizeof(*code));
	memcpy(code + heads + filter->cnt, tail, sizeof(tail));
	for (size_t i = 0; i < filter->cnt; i++)
		if (code[heads + i].code == (BPF_JMP | BPF_EXIT))
			code[heads + i] = (struct bpf_insn){.code = BPF_JMP | BPF_JA,
							    .off = (__s16)(filter->cnt - i - 1)};
	memset(&attr, 0, sizeof(attr));
	attr.prog_type = BPF_PROG_TYPE_SCHED_CLS;
	attr.insns = (uintptr_t)code;
	attr.insn_cnt = (uint32_t)count;
	attr.license = (uintptr_t) "Dual BSD/GPL";
	fd = bpf(BPF_PROG_LOAD, &attr);
	if (fd < 0) {
		int reason = errno;

		attr.log_buf = (uintptr_t)log;
		attr.log_size = (uint32_t)log_size;
		attr.log_level = 1;
		fd = bpf(BPF_PROG_LOAD, &attr);
		errno = reason;
	}
	free(code);
	return fd;
}

static void the_kernel_takes_it_and_agrees(void)
{
	static char log[1 << 16];
	struct bpf_insn nothing[] = {{.code = BPF_ALU64 | BPF_MOV | BPF_K},
				     {.code = BPF_JMP | BPF_EXIT}};
	struct filter_insns probe = {.insns = nothing, .cnt = 2};
	union bpf_attr attr;
	struct value {
		uint8_t data[256];
		uint32_t wire, tag, captured, verdict;
	} * value;
	struct rlimit unlimited = {RLIM_INFINITY, RLIM_INFINITY};
	unsigned int runs = 0;
	int map, fd;

	/* Kernels before 5.11 charge programs to it, and give the charge back late. */
	if (setrlimit(RLIMIT_MEMLOCK, &unlimited))
		printf("the limit on locked memory stays: %s\n", strerror(errno));
	memset(&attr, 0, sizeof(attr));
	attr.map_type = BPF_MAP_TYPE_ARRAY;
	attr.key_size = 4;
	attr.value_size = sizeof(*value);
	attr.max_entries = 1;
	attr.map_flags = BPF_F_MMAPABLE;
	map = bpf(BPF_MAP_CREATE, &attr);
	fd = map < 0 ? -1 : load(map, &probe, log, sizeof(log));
	if (fd < 0) {
		printf("skipped: the kernel's verifier: this machine doesn't let us load BPF "
		       "programs: %s\n",
		       strerror(errno));
		skipped++;
		if (map >= 0)
			close(map);
		return;
	}
	close(fd);
	/* The array's value lies in our memory, too: a packet costs one call into the kernel. */
	value = mmap(NULL, sizeof(*value), PROT_READ | PROT_WRITE, MAP_SHARED, map, 0);
	if (value == MAP_FAILED) {
		verdict(false, "the map was not mapped: %s", strerror(errno));
		close(map);
		return;
	}
	for (size_t e = 0; e < 2 * EXPRESSIONS; e++) {
		const char *expression = expressions[e / 2];
		enum filter_link link = e % 2 ? FILTER_IP : FILTER_ETHERNET;
		struct filter_insns filter;
		struct bpf_program program;
		char error[256];

		if (filter_compile(expression, link, &filter, error, sizeof(error)))
			continue;
		if (classic(expression, &program)) {
			filter_free(&filter);
			continue;
		}
		*log = 0;
		fd = load(map, &filter, log, sizeof(log));
		verdict(fd >= 0, "the verifier refuses '%s' (link %d): %.4000s", expression, link,
			log);
		for (size_t i = 0; fd >= 0 && i < PACKETS; i++) {
			uint8_t frame[64] = {0};
			enum expected expected;

			if (packets[i].link != link || !packets[i].length)
				continue;
			memset(value->data, 0, sizeof(value->data));
			memcpy(value->data, packets[i].bytes, packets[i].length);
			value->wire = packets[i].wire;
			value->tag = packets[i].tag;
			value->captured = packets[i].length;
			value->verdict = 77;
			memset(&attr, 0, sizeof(attr));
			attr.test.prog_fd = (uint32_t)fd;
			attr.test.data_in = (uintptr_t)frame;
			attr.test.data_size_in = sizeof(frame);
			attr.test.repeat = 1;
			if (bpf(BPF_PROG_TEST_RUN, &attr)) {
				printf("skipped: a test run of '%s': %s\n", expression,
				       strerror(errno));
				skipped++;
				break;
			}
			runs++;
			expected = expect(&program, &packets[i]);
			verdict(agrees(expression, &packets[i], expected,
				       value->verdict == FILTER_YES),
				"the kernel says %u of '%s' on packet %zu, libpcap %d",
				value->verdict, expression, i, expected);
		}
		pcap_freecode(&program);
		if (fd >= 0)
			close(fd);
		filter_free(&filter);
	}
	munmap(value, sizeof(*value));
	close(map);
	printf("%u verdicts of the kernel compared with libpcap's\n", runs);
}

int main(void)
{
	for (size_t i = 0; i < PACKETS; i++)
		make_packet(&packets[i]);
	for (size_t i = 0; i < EXPRESSIONS; i++) {
		same_verdict_as_libpcap(expressions[i], FILTER_ETHERNET);
		same_verdict_as_libpcap(expressions[i], FILTER_IP);
	}
	printf("%zu expressions, %u matches, %u misses, %u by addresses that come later, %u "
	       "without meaning\n",
	       EXPRESSIONS, matches, misses, depends, meaningless);
	verdict(matches > 1000 && misses > 1000 && depends > 100 && meaningless < 60,
		"the packets don't try the expressions");
	a_bad_expression_gives_a_reason();
	what_cannot_match_is_refused();
	random_words_never_crash();
	the_kernel_takes_it_and_agrees();
	printf("%u passed, %u failed, %u skipped\n", passed, failed, skipped);
	return failed != 0;
}
