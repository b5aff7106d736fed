#include "iptables.h"
int ipt_refuse(const struct pfw_plan *plan, const struct pfw_forward *forward, struct pfw_error *err)
{ (void)plan; (void)forward; (void)err; return 0; }
int ipt_flows(const struct pfw_image *image, bool (*wanted)(const void *ctx, const char *owner),
	      const void *ctx, struct pfw_clients *clients, struct pfw_flows *flows)
{ (void)image; (void)wanted; (void)ctx; (void)clients; (void)flows; return 0; }
