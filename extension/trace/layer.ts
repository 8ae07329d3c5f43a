// Which layer of the network stack a hook belongs to: ordered tables of name patterns, the first match wins.
import type { Layer } from '../protocol/timeline.ts';
import type { HookKind } from './metadata.ts';

type Rules = readonly (readonly [Layer, RegExp])[];

/** Modules whose functions all belong to one layer, whatever their names. */
const moduleRules: Rules = [
  [
    'netfilter',
    /^(nf_|nft_|nfnetlink|xt_|x_tables|ip6?t_|arpt_|ebt|ip6?_?tables|ip6?table_|arp_?table|ip_set|ip_vs|br_netfilter)/,
  ],
  ['bridge', /^(bridge|stp|llc|openvswitch|8021q|macvlan|bonding|team)$/],
  ['bpf', /^(cls_|act_|sch_ingress$)/],
  ['core', /^sch_/],
  ['transport', /^(sctp|dccp|mptcp)$/],
  ['socket', /^af_packet$/],
];

/** Function names, without leading underscores and the prefixes of a tracepoint's own functions. */
const functionRules: Rules = [
  [
    'bpf',
    /^(bpf_|cls_bpf|tcf?_|tcx_|netkit_|sch_handle_|xdp_|do_xdp|run_xdp|generic_xdp|netif_(receive_generic|skb_generic)_xdp|cpu_map_|dev_map_|xsk_)/,
  ],
  ['bridge', /^(br_|vlan_|macvlan_|ovs_)/],
  [
    'netfilter',
    /^(nf_|nft_|nfq?nl|nfulnl_|xt_|ip6?t_|ip6?table_|arpt_|ebt_|ip_vs_|ip_set_|conntrack|ctnetlink_|ipv[46]_(conntrack|confirm|helper)|synproxy_)/,
  ],
  [
    'transport',
    /^(tcp|mptcp|subflow_|udp|skb_consume_udp|sctp_|dccp_|raw_|raw[46v]|ping_|inet6?_csk|inet_reqsk|cookie_v[46])/,
  ],
  [
    'ip',
    /^(ip_|ip6_|ip4_|ipv4_|ipv6_|ipip6?_|sit_|icmp|igmp|mld_|pim6?_|ip6?mr_|ip4ip6_|ip6ip6_|iptunnel_|ndisc_|arp_|neigh_|fib|rt6_|inet|dst_|xfrm|ah[46]?_|esp[46]?_|lwtunnel|mpls_|seg6_|rpl_)/,
  ],
  ['core', /^(dev_(?!gro_)|sch_|validate_xmit|net_tx_|net_dev_queue)/],
  ['socket', /^t?packet_/],
  // What drivers hand to the stack and take from it.
  ['driver', /(^|_)xmit(_frame)?(_|$)/],
  [
    'driver',
    /^(napi_|gro_|dev_gro_|netif_rx|netif_receive_skb|eth_type_trans|loopback_|veth_|virtnet_|receive_(buf|mergeable|small|big)|e1000|igb_|ixgbe_|i40e_|ice_|mlx|bnxt_|ena_|gve_|vmxnet3_|tun_|tap_|dummy_|vxlan_|geneve_|ipgre_|gre_|wg_|net_dev_)/,
  ],
  [
    'socket',
    /^(sock|sk_|skb_(copy_(and_csum_|and_hash_)?|recv_|free_)datagram|unix_|netlink_|(security|selinux|apparmor)_sock)/,
  ],
  [
    'core',
    /^(skb|pskb_|kfree_skb|kfree_skbmem|consume_skb|alloc_skb|build_skb|netdev_|netif_|net_|qdisc_|pfifo|fq_|\w+_enqueue$|passthru_features|enqueue_to_backlog|process_backlog|deliver_|get_rps|harmonize|eth_|flow_|ptp_)/,
  ],
];

function match(rules: Rules, name: string): Layer | undefined {
  return rules.find(([, pattern]) => pattern.test(name))?.[0];
}

/**
 * The layer of a hook, by kind, module and function name. Compiler suffixes (".isra.0") don't matter, a tracepoint is
 * judged by the name after its group. A function of an unknown module is taken for a driver's.
 */
export function layerOf(hook: { readonly kind: HookKind; readonly function: string; readonly module: string }): Layer {
  if (hook.kind === 'BPF entry' || hook.kind === 'BPF verdict') return 'bpf';
  const name = hook.function.slice(hook.function.indexOf(':') + 1).replace(/^_+((traceiter|probestub)_)?_*/, '');
  const byModule = hook.module === '' ? undefined : match(moduleRules, hook.module);
  return byModule ?? match(functionRules, name) ?? (hook.module === '' ? 'other' : 'driver');
}
