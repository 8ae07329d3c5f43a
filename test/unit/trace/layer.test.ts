// Each kernel function belongs to the layer that a person would look for it in.
import { describe, expect, test } from 'vitest';
import type { Layer } from '../../../extension/protocol/timeline.ts';
import { layerOf } from '../../../extension/trace/layer.ts';

/** "module:function", as real 6.1 and 6.12 kernels name them. */
const expected: Record<Layer, readonly string[]> = {
  driver: [
    'loopback_xmit',
    'veth:veth_xmit',
    'virtio_net:start_xmit',
    'virtio_net:xmit_skb',
    'napi_gro_receive',
    'dev_gro_receive',
    '__netif_receive_skb_one_core',
    'netif_receive_skb',
    'netif_rx_internal',
    'eth_type_trans',
    'vxlan:vxlan_xmit_one',
    'vxlan:vxlan_rcv',
    'somedriver:whatever_it_does',
  ],
  bpf: [
    'tcf_classify',
    'cls_bpf_classify',
    'cls_bpf:cls_bpf_classify',
    'tc_run',
    'netkit_xmit',
    'bpf_prog_run_generic_xdp',
    'xdp_do_generic_redirect',
  ],
  core: [
    '__dev_queue_xmit',
    'dev_hard_start_xmit',
    'sch_direct_xmit',
    'validate_xmit_skb',
    'kfree_skb_reason',
    'consume_skb',
    'skb_clone',
    '__alloc_skb',
    'pskb_expand_head',
    'enqueue_to_backlog',
    'pfifo_fast_enqueue',
    'skb_release_data',
  ],
  bridge: [
    'bridge:br_handle_frame',
    'bridge:maybe_deliver',
    'bridge:br_dev_queue_push_xmit',
    'br_forward',
    'vlan_do_receive',
    'llc:llc_rcv',
  ],
  netfilter: [
    'nf_hook_slow',
    'nf_tables:nft_do_chain',
    'nf_conntrack:nf_conntrack_in',
    'nf_nat:nf_nat_manip_pkt',
    'xt_tcpudp:tcp_mt',
    'ip_tables:ipt_do_table',
    'nf_conntrack:ipv4_confirm',
    'br_netfilter:br_nf_pre_routing',
    'ip_set:ip_set_test',
  ],
  ip: [
    'ip_rcv',
    'ip_rcv_finish_core.isra.0',
    '__ip_local_out',
    'ip6_xmit',
    'ipv6_rcv',
    'icmp_rcv',
    'icmpv6_rcv',
    'icmp_send',
    'arp_rcv',
    'neigh_resolve_output',
    'fib_validate_source',
    'xfrm_output',
    'inet_gro_receive',
    'pim_rcv',
  ],
  transport: [
    'tcp_v4_rcv',
    '__tcp_transmit_skb',
    'udp_rcv',
    '__udp4_lib_rcv',
    'udpv6_rcv',
    'raw_local_deliver',
    'ping_rcv',
    'sctp:sctp_rcv',
    'skb_consume_udp',
  ],
  socket: [
    'sock_queue_rcv_skb_reason',
    'sk_filter_trim_cap',
    '__sk_receive_skb',
    'skb_copy_datagram_iter',
    'packet_rcv',
    'tpacket_rcv',
    'security_sock_rcv_skb',
    'unix_stream_sendmsg',
  ],
  other: ['devlink_trap_report', 'audit_receive', 'genl_rcv_msg'],
};

describe.each(Object.entries(expected))('%s', (layer, functions) => {
  test.each(functions)('%s', (text) => {
    const [name = '', module = ''] = text.split(':').reverse();
    expect(layerOf({ kind: 'kprobe.multi', function: name, module })).toBe(layer);
  });
});

test('BPF programs are bpf whatever their name', () => {
  expect(layerOf({ kind: 'BPF entry', function: 'tcp_v4_rcv', module: '' })).toBe('bpf');
  expect(layerOf({ kind: 'BPF verdict', function: 'x', module: '' })).toBe('bpf');
});

test('tracepoints are judged by the name after their group', () => {
  expect(layerOf({ kind: 'tracepoint', function: 'skb:kfree_skb', module: '' })).toBe('core');
  expect(layerOf({ kind: 'tracepoint', function: 'net:net_dev_xmit', module: '' })).toBe('driver');
});
