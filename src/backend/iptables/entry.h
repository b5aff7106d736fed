/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The matches and targets of entries: a row of a table says how each is put, got and printed. */
#ifndef PORTFWD_BACKEND_IPTABLES_ENTRY_H
#define PORTFWD_BACKEND_IPTABLES_ENTRY_H

#include "rule.h"

/*
 * A match of the kernel. put writes into zero-filled data; get adds to a rule, and may take data
 * for what it is not: who calls it puts the rule again and compares.
 */
struct ipt_match {
	const char *name;
	uint8_t revision;
	uint8_t protocol;	/* stands only in rules of this protocol, or 0 */
	uint16_t size;		/* of its data */
	uint16_t visible;	/* of that, what the kernel gives back; the rest is its own */
	uint32_t asks;		/* stands where the rule asks for any of this; 0: in every rule */
	void (*put)(const struct ipt_rule *rule, uint8_t family, void *data);
	void (*get)(const void *data, uint8_t family, struct ipt_rule *ret);
	/* Behind "-m NAME", with a space before each word. */
	void (*print)(const struct ipt_rule *rule, uint8_t family, struct pfw_buffer *ret);
};

/* In the order in which they stand in a rule; ends with a row without name. */
extern const struct ipt_match ipt_matches[];

/* The same for targets that are modules, by family: 0 is IPv4. */
struct ipt_module {
	const char *name;
	uint8_t target;		/* enum ipt_target */
	uint8_t revision[2];
	uint16_t size[2];
	void (*put)(const struct ipt_rule *rule, uint8_t family, void *data);
	void (*get)(const void *data, uint8_t family, struct ipt_rule *ret);
	/* Behind "-j NAME". */
	void (*print)(const struct ipt_rule *rule, uint8_t family, struct pfw_buffer *ret);
};

/* The mask of a prefix of this length, into zero-filled bytes; and the length of such a mask. */
void ipt_mask_put(uint8_t *mask, uint8_t len);
uint8_t ipt_mask_get(const uint8_t *mask, size_t size);

/* Ends with a row without name. */
extern const struct ipt_module ipt_modules[];

#endif
