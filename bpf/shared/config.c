/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/* The parts of a policy that are arrays. */
#include <weir/engine.h>

void weir_config_watch(struct weir_config *config, __u16 port)
{
	config->ports[port >> 6] |= 1ULL << (port & 63);
}

int weir_config_upgrade(struct weir_config *config, __u16 port, __u8 kind)
{
	for (__u32 i = 0; i < WEIR_UPGRADES; i++) {
		if (config->upgrade_ports[i])
			continue;
		config->upgrade_ports[i] = port;
		config->upgrade_kinds[i] = kind;
		return 0;
	}
	return -1;
}

struct weir_rule *weir_config_rule(struct weir_config *config, __u32 anomaly)
{
	return &config->rules[anomaly & 63];
}

__u8 *weir_config_lengths(struct weir_config *config)
{
	return config->lengths;
}

__u16 *weir_config_quic_ports(struct weir_config *config)
{
	return config->quic_ports;
}
