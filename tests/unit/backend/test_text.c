/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Items as lines, and images as files for nft. */
#include "../../../src/backend/nft/nft.h"
#include "cases.h"

static const struct sample samples[] = {
	{ .name = "web", .addresses = "192.0.2.1", .targets = "10.0.0.2", .port = 8080,
	  .local = PFW_OFF },
	{ .name = "six", .interfaces = "wan0", .targets = "fd00::2", .protocols = "udp",
	  .snat = PFW_SNAT_MASQUERADE },
	{ .name = "own", .targets = "self", .ports = "22", .port = 2222 },
};

struct world {
	struct pfw_ruleset ruleset;
	struct pfw_plan plan;
	struct pfw_image image;
};

static void make_world(struct world *world)
{
	sample_ruleset(&world->ruleset, samples, COUNT(samples));
	sample_plan(&world->ruleset, &world->plan);
	images_compile(&world->plan, NULL, &world->image);
}

static void free_world(struct world *world)
{
	pfw_image_free(&world->image);
	pfw_plan_free(&world->plan);
	pfw_ruleset_free(&world->ruleset);
}

/* If this fails, diff and dry run tell something else than what is sent. */
START_TEST(test_lines)
{
	static const struct {
		const char *kind, *line;
	} rows[] = {
		{ "table", "table inet portfwd" },
		{ "set", "set dnat4_addr_remote" },
		{ "set", "set hairpin" },
		{ "set", "set straight" },
		{ "chain", "chain prerouting" },
		{ "element", "element dnat4_addr_remote { 192.0.2.1 . tcp . 80 comment \"web\" : "
			     "10.0.0.2 . 8080 }" },
		{ "element", "element dnat6_if { udp . 80 . \"wan0\" comment \"six\" : "
			     "fd00::2 . 80 }" },
		{ "element", "element snat6_if { udp . 80 . fd00::2 . 80 . \"wan0\" comment \"six\" : "
			     "goto masquerades }" },
		{ "element", "element self4_any { tcp . 22 comment \"own\" : 2222 }" },
		{ "element", "element self6_any { tcp . 22 comment \"own\" : 2222 }" },
	};
	struct pfw_buffer text = { 0 };
	struct world world;
	unsigned int found;
	uint32_t i;
	size_t k;

	make_world(&world);
	for (k = 0; k < COUNT(rows); k++) {
		for (i = 0, found = 0; i < world.image.n_items; i++) {
			text.len = 0;
			pfw_backend_nftables.print(&world.image.items[i], &text);
			ck_assert_ptr_null(strchr(text.data, '\n'));
			if (strcmp(text.data, rows[k].line))
				continue;
			found++;
			ck_assert_str_eq(pfw_backend_nftables.kind(&world.image.items[i]),
					 rows[k].kind);
		}
		ck_assert_msg(found == 1, "%u times: %s", found, rows[k].line);
	}
	pfw_buffer_free(&text);
	free_world(&world);
}
END_TEST

static size_t position(const struct pfw_buffer *text, const char *part)
{
	const char *at = strstr(text->data, part);

	ck_assert_msg(at, "there is no \"%s\" in\n%s", part, text->data);
	return (size_t)(at - text->data);
}

/* If this fails, nft refuses the exported file: it wants what is referred to first. */
START_TEST(test_file)
{
	struct pfw_buffer text = { 0 };
	struct world world;

	make_world(&world);
	pfw_backend_nftables.formats[0].write(&world.image, &text);
	/* Loading it twice, or over an older one, works. */
	ck_assert_uint_eq(position(&text, "table inet portfwd\ndelete table inet portfwd\n"
					  "table inet portfwd {\n"), 0);
	ck_assert_uint_lt(position(&text, "map dnat4_addr_remote {"),
			  position(&text, "chain prerouting {"));
	ck_assert_uint_lt(position(&text, "chain masquerades {"), position(&text, "chain postrouting {"));
	ck_assert_uint_lt(position(&text, "chain hairpins {"), position(&text, "chain postrouting {"));
	position(&text, "\t\ttype nat hook prerouting priority -100; policy accept;\n");
	position(&text, "\t\ttype nat hook postrouting priority 100; policy accept;\n");
	position(&text, "\t\telements = {\n\t\t\t192.0.2.1 . tcp . 80 comment \"web\" : "
			"10.0.0.2 . 8080\n\t\t}\n");
	ck_assert_str_eq(text.data + text.len - strlen("\n\t}\n}\n"), "\n\t}\n}\n");
	pfw_buffer_free(&text);
	free_world(&world);
}
END_TEST

/* Nothing to forward: the file takes away what stands. */
START_TEST(test_file_of_nothing)
{
	const struct pfw_image nothing = { 0 };
	struct pfw_buffer text = { 0 };

	pfw_backend_nftables.formats[0].write(&nothing, &text);
	ck_assert_str_eq(text.data, "table inet portfwd\ndelete table inet portfwd\n");
	pfw_buffer_free(&text);
}
END_TEST

TCase *text_case(void)
{
	TCase *tcase;

	UNIT_CASE(tcase, "text", test_lines, test_file, test_file_of_nothing);
	tcase_set_timeout(tcase, 30);
	return tcase;
}
