/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What libpcap would ask the C library's name services while it compiles a filter.
 *
 * A static binary must not: the C library would load the node's own modules for hosts and services
 * (nsswitch.conf), which need not fit it, and a trace's filter must neither wait for DNS nor mean
 * something else on each node. So addresses are numeric, and ports and protocols have the
 * well-known names below. The linker puts these in the place of the C library's (--wrap).
 */
#include <arpa/inet.h>
#include <netdb.h>
#include <netinet/ether.h>
#include <netinet/in.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

int __wrap_getaddrinfo(const char *node, const char *service, const struct addrinfo *hints,
		       struct addrinfo **result);
void __wrap_freeaddrinfo(struct addrinfo *result);
struct hostent *__wrap_gethostbyname(const char *name);
int __wrap_getprotobyname_r(const char *name, struct protoent *entry, char *buffer, size_t size,
			    struct protoent **result);
int __wrap_getnetbyname_r(const char *name, struct netent *entry, char *buffer, size_t size,
			  struct netent **result, int *error);
int __wrap_ether_hostton(const char *name, struct ether_addr *address);

struct known {
	const char *name;
	int number;
};

/* IANA's service names that people type. */
static const struct known services[] = {
	{"ftp-data", 20},	{"ftp", 21},	     {"ssh", 22},	   {"telnet", 23},
	{"smtp", 25},		{"domain", 53},	     {"bootps", 67},	   {"bootpc", 68},
	{"tftp", 69},		{"http", 80},	     {"kerberos", 88},	   {"pop3", 110},
	{"sunrpc", 111},	{"ntp", 123},	     {"imap2", 143},	   {"imap", 143},
	{"snmp", 161},		{"bgp", 179},	     {"ldap", 389},	   {"https", 443},
	{"microsoft-ds", 445},	{"isakmp", 500},     {"syslog", 514},	   {"dhcpv6-client", 546},
	{"dhcpv6-server", 547}, {"submission", 587}, {"ldaps", 636},	   {"imaps", 993},
	{"pop3s", 995},		{"nfs", 2049},	     {"mysql", 3306},	   {"ipsec-nat-t", 4500},
	{"vxlan", 4789},	{"mdns", 5353},	     {"postgresql", 5432}, {"geneve", 6081},
	{"redis", 6379},	{"http-alt", 8080},
};

/* IANA's protocol numbers beyond those that are words of pcap-filter(7). */
static const struct known protocols[] = {
	{"ip", 0},     {"hopopt", 0},	  {"icmp", 1},	 {"igmp", 2},	   {"ipencap", 4},
	{"ipip", 4},   {"tcp", 6},	  {"egp", 8},	 {"igp", 9},	   {"udp", 17},
	{"dccp", 33},  {"ipv6", 41},	  {"gre", 47},	 {"esp", 50},	   {"ah", 51},
	{"icmp6", 58}, {"ipv6-icmp", 58}, {"eigrp", 88}, {"ospf", 89},	   {"pim", 103},
	{"vrrp", 112}, {"l2tp", 115},	  {"sctp", 132}, {"udplite", 136},
};

static int find(const struct known *known, size_t count, const char *name)
{
	for (size_t i = 0; i < count; i++)
		if (!strcmp(known[i].name, name))
			return known[i].number;
	return -1;
}

/* One answer is enough: libpcap looks for the first one of a family. */
struct answer {
	struct addrinfo info;
	union {
		struct sockaddr any;
		struct sockaddr_in v4;
		struct sockaddr_in6 v6;
	} address;
};

/* A port by number or well-known name, in network order. */
static bool port_of(const char *service, uint16_t *port)
{
	int number;

	if (strspn(service, "0123456789") == strlen(service)) {
		*port = htons((uint16_t)strtoul(service, NULL, 10));
		return true;
	}
	number = find(services, sizeof(services) / sizeof(*services), service);
	*port = htons((uint16_t)number);
	return number >= 0;
}

/* An address of the family that is asked for; of any where none is. */
static int address_of(const char *node, int family, struct answer *answer)
{
	struct in6_addr v6;
	struct in_addr v4;

	if (inet_aton(node, &v4)) {
		answer->info.ai_family = AF_INET;
		answer->address.v4.sin_addr = v4;
	} else if (inet_pton(AF_INET6, node, &v6) == 1) {
		answer->info.ai_family = AF_INET6;
		answer->address.v6.sin6_addr = v6;
	} else {
		return EAI_NONAME;
	}
	return family == AF_UNSPEC || family == answer->info.ai_family ? 0 : EAI_ADDRFAMILY;
}

/* `node` may be NULL where a service is asked for, and the other way round. */
int __wrap_getaddrinfo(const char *node, const char *service, const struct addrinfo *hints,
		       struct addrinfo **result)
{
	const struct addrinfo none = {0}, *hint = hints ? hints : &none;
	struct answer *answer;
	uint16_t port = 0;
	int err = 0;

	if ((!node && !service) || (service && !port_of(service, &port)))
		return EAI_NONAME;
	answer = calloc(1, sizeof(*answer));
	if (!answer)
		return EAI_MEMORY;
	answer->info = (struct addrinfo){
		.ai_family = hint->ai_family == AF_INET6 ? AF_INET6 : AF_INET,
		.ai_socktype = hint->ai_socktype,
		.ai_protocol = hint->ai_protocol,
		.ai_addr = &answer->address.any,
	};
	if (node)
		err = address_of(node, hint->ai_family, answer);
	if (err) {
		free(answer);
		return err;
	}
	answer->address.any.sa_family = (sa_family_t)answer->info.ai_family;
	if (answer->info.ai_family == AF_INET) {
		answer->info.ai_addrlen = sizeof(answer->address.v4);
		answer->address.v4.sin_port = port;
	} else {
		answer->info.ai_addrlen = sizeof(answer->address.v6);
		answer->address.v6.sin6_port = port;
	}
	*result = &answer->info;
	return 0;
}

void __wrap_freeaddrinfo(struct addrinfo *result)
{
	/* It is the begin of its answer. */
	free(result);
}

/* No filter comes to it: what libpcap keeps for who calls it for himself. */
struct hostent *__wrap_gethostbyname(const char *name)
{
	(void)name;
	return NULL;
}

int __wrap_getprotobyname_r(const char *name, struct protoent *entry, char *buffer, size_t size,
			    struct protoent **result)
{
	int number = find(protocols, sizeof(protocols) / sizeof(*protocols), name);

	(void)buffer;
	(void)size;
	*entry = (struct protoent){.p_proto = number};
	*result = number < 0 ? NULL : entry;
	return 0;
}

int __wrap_getnetbyname_r(const char *name, struct netent *entry, char *buffer, size_t size,
			  struct netent **result, int *error)
{
	(void)name;
	(void)entry;
	(void)buffer;
	(void)size;
	*result = NULL;
	*error = HOST_NOT_FOUND;
	return 0;
}

/* Non-zero: no such name; /etc/ethers is the node's. */
int __wrap_ether_hostton(const char *name, struct ether_addr *address)
{
	(void)name;
	(void)address;
	return -1;
}
