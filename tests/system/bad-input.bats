#!/usr/bin/env bats
# SPDX-License-Identifier: GPL-2.0-or-later
#
# Bad files and bad command lines: the tables in bad-input/.
#
# Backends: nftables

load helpers
load bad-input

@test "files: text that is no configuration" {
	rows text
}

@test "files: keys, names and switches" {
	rows keys
}

@test "files: listen parts" {
	rows listen
}

@test "files: targets" {
	rows targets
}

@test "files: sources, limits, ends and source addresses" {
	rows rules
}

@test "files: forwards that do not go together" {
	rows conflicts
}

@test "command lines" {
	rows commands
}

@test "command lines: what add is given" {
	rows adds
}
