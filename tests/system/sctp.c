/* SPDX-License-Identifier: GPL-2.0-or-later */
/* See sctp.h; it is built into peer. */
#include "sctp.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <stddef.h>
#include <string.h>
#include <unistd.h>

#define COOKIE 7
#define PACKET_MAX 512

struct packet {
	uint16_t from, to;
	uint32_t verification;
	uint32_t checksum;	/* little-endian, over all with 0 in its place */
	uint8_t type, flags;
	uint16_t length;	/* of the chunk, from type on */
	uint32_t tag;
	uint32_t window;
	uint16_t streams_out, streams_in;
	uint32_t sequence;
	uint16_t parameter, parameter_length;
	char text[256];
};

#define CHUNK_AT offsetof(struct packet, type)
#define INIT_SIZE offsetof(struct packet, parameter)
#define TEXT_AT offsetof(struct packet, text)

/* CRC-32C, bit by bit (RFC 9260, appendix A). */
static uint32_t checksum(const uint8_t *bytes, size_t len)
{
	uint32_t crc = UINT32_MAX;
	int bit;

	for (; len; len--) {
		crc ^= *bytes++;
		for (bit = 0; bit < 8; bit++)
			crc = crc >> 1 ^ (crc & 1 ? 0x82f63b78 : 0);
	}
	return ~crc;
}

static void put_little(uint32_t value, void *to)
{
	uint8_t bytes[] = { (uint8_t)value, (uint8_t)(value >> 8), (uint8_t)(value >> 16),
			    (uint8_t)(value >> 24) };

	memcpy(to, bytes, sizeof(bytes));
}

int sctp_socket(int family, const struct sockaddr_storage *address)
{
	struct sockaddr_storage at;
	int fd = socket(family, SOCK_RAW | SOCK_NONBLOCK, IPPROTO_SCTP);

	if (fd < 0 || !address)
		return fd;
	at = *address;
	((struct sockaddr_in *)&at)->sin_port = 0;
	if (!bind(fd, (struct sockaddr *)&at, sizeof(at)))
		return fd;
	close(fd);
	return -1;
}

bool sctp_send(int fd, enum sctp_chunk type, const struct sctp_message *message)
{
	size_t text = strlen(message->text), len = INIT_SIZE;
	struct sockaddr_storage to = message->peer;
	struct packet packet = {
		.from = htons(message->port),
		.to = htons(message->peer_port),
		.verification = message->verification,
		.type = (uint8_t)type,
		.tag = message->tag,
		.window = htonl(65536),
		.streams_out = htons(1),
		.streams_in = htons(1),
		.sequence = htonl(1),
		.parameter = htons(COOKIE),
		.parameter_length = htons((uint16_t)(4 + text)),
	};

	if (text) {
		memcpy(packet.text, message->text, text);
		len = TEXT_AT + text;
	}
	packet.length = htons((uint16_t)(len - CHUNK_AT));
	len = (len + 3) / 4 * 4;
	put_little(checksum((const uint8_t *)&packet, len), &packet.checksum);
	((struct sockaddr_in *)&to)->sin_port = 0;
	return sendto(fd, &packet, len, 0, (struct sockaddr *)&to, sizeof(to)) == (ssize_t)len;
}

static bool is_sound(struct packet *packet, size_t len)
{
	uint32_t said = packet->checksum, right;

	packet->checksum = 0;
	put_little(checksum((const uint8_t *)packet, len), &right);
	return said == right;
}

bool sctp_receive(int fd, enum sctp_chunk type, struct sctp_message *message)
{
	socklen_t peer_len = sizeof(message->peer);
	uint8_t bytes[PACKET_MAX];
	struct packet packet = { 0 };
	size_t head = 0, len, text;
	ssize_t n;

	n = recvfrom(fd, bytes, sizeof(bytes), 0, (struct sockaddr *)&message->peer, &peer_len);
	/* IPv4 comes with its header. */
	if (n > 0 && message->peer.ss_family == AF_INET)
		head = (bytes[0] & 15) * 4;
	if (n < (ssize_t)(head + INIT_SIZE) || n - head > sizeof(packet))
		return false;
	len = (size_t)n - head;
	memcpy(&packet, bytes + head, len);
	if (packet.type != type || ntohs(packet.to) != message->port || !is_sound(&packet, len))
		return false;
	text = len > TEXT_AT ? ntohs(packet.parameter_length) - 4u : 0;
	if (text >= sizeof(message->text))
		return false;
	memcpy(message->text, packet.text, text);
	message->text[text] = '\0';
	message->peer_port = ntohs(packet.from);
	message->verification = packet.verification;
	message->tag = packet.tag;
	return true;
}
