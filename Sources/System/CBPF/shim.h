/* libbpf as it is, and what it keeps in macros or va_lists. */
#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <linux/bpf.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

/* <linux/bpf.h> of the distribution is older than these (Linux 6.6). */
#define WEIR_TCX_INGRESS 46
#define WEIR_TCX_EGRESS 47

#define WEIR_BPF_SAID 512

/* The last line that libbpf had to say, the verifier's own last words included. */
static inline char *weir_bpf_last_words(void)
{
	static char said[WEIR_BPF_SAID];

	return said;
}

static inline int weir_bpf_print(enum libbpf_print_level level, const char *format, va_list arguments)
{
	if (level == LIBBPF_WARN)
		vsnprintf(weir_bpf_last_words(), WEIR_BPF_SAID, format, arguments);
	return 0;
}

static inline void weir_bpf_quiet(void)
{
	libbpf_set_print(weir_bpf_print);
}

static inline struct bpf_object *weir_bpf_open(const void *bytes, size_t size)
{
	return bpf_object__open_mem(bytes, size, 0);
}

/* What a map begins as, to be written before load. */
static inline void *weir_bpf_initial(struct bpf_object *object, const char *name, size_t *size)
{
	const struct bpf_map *map = bpf_object__find_map_by_name(object, name);

	*size = 0;
	return map ? (void *)bpf_map__initial_value((struct bpf_map *)map, size) : 0;
}

/* Gives `to` the maps of `from`, which has the same. 0 or -errno. */
static inline int weir_bpf_share_maps(struct bpf_object *from, struct bpf_object *to)
{
	struct bpf_map *map;

	bpf_object__for_each_map(map, to) {
		const struct bpf_map *there = bpf_object__find_map_by_name(from, bpf_map__name(map));
		int error = there ? bpf_map__reuse_fd(map, bpf_map__fd(there)) : -ENOENT;

		if (error)
			return error;
	}
	return 0;
}

/* A program over one linear frame: 0 or -errno, its verdict in `result`. */
static inline int weir_bpf_run(int program, const void *frame, unsigned size, unsigned ifindex, unsigned long long stamp, unsigned repeat,
			       unsigned *result, unsigned *nanoseconds)
{
	struct __sk_buff context;
	LIBBPF_OPTS(bpf_test_run_opts, o, .data_in = frame, .data_size_in = size, .ctx_in = &context, .ctx_size_in = sizeof(context), .repeat = repeat);
	int error;

	memset(&context, 0, sizeof(context));
	context.ifindex = context.ingress_ifindex = ifindex;
	context.tstamp = stamp;
	error = bpf_prog_test_run_opts(program, &o);
	*result = o.retval;
	*nanoseconds = o.duration;
	return error;
}

static inline unsigned weir_bpf_verified(int program)
{
	struct bpf_prog_info info;
	__u32 size = sizeof(info);

	memset(&info, 0, sizeof(info));
	return bpf_obj_get_info_by_fd(program, &info, &size) ? 0 : info.verified_insns;
}

/* A syscall program with its context. */
static inline int weir_bpf_call(int program, void *context, unsigned size)
{
	LIBBPF_OPTS(bpf_test_run_opts, o, .ctx_in = context, .ctx_size_in = size);

	return bpf_prog_test_run_opts(program, &o);
}

/* A link's descriptor, or -errno. */
static inline int weir_tcx_attach(int ifindex, int egress, int program)
{
	int link = bpf_link_create(program, ifindex, (enum bpf_attach_type)(egress ? WEIR_TCX_EGRESS : WEIR_TCX_INGRESS), 0);

	return link < 0 ? -errno : link;
}

static inline int weir_tcx_replace(int link, int program)
{
	return bpf_link_update(link, program, 0);
}

/* "weir" on a qdisc that was there, "Weir" on one that we made: by it the next start finds what a killed one left. */
#define WEIR_TC_HANDLE(made) ((made) ? 0x57656972 : 0x77656972)
#define WEIR_TC_PRIORITY 1

/* The clsact qdisc: 0, -EEXIST if it was there, or -errno. */
static inline int weir_tc_hook(int ifindex)
{
	LIBBPF_OPTS(bpf_tc_hook, hook, .ifindex = ifindex, .attach_point = BPF_TC_INGRESS | BPF_TC_EGRESS);

	return bpf_tc_hook_create(&hook);
}

/* Whether a killed one of us made the qdisc. */
static inline int weir_tc_was_ours(int ifindex)
{
	LIBBPF_OPTS(bpf_tc_hook, hook, .ifindex = ifindex, .attach_point = BPF_TC_INGRESS);
	LIBBPF_OPTS(bpf_tc_opts, opts, .handle = WEIR_TC_HANDLE(1), .priority = WEIR_TC_PRIORITY);

	return !bpf_tc_query(&hook, &opts);
}

static inline int weir_tc_attach(int ifindex, int egress, int program, int made)
{
	LIBBPF_OPTS(bpf_tc_hook, hook, .ifindex = ifindex, .attach_point = egress ? BPF_TC_EGRESS : BPF_TC_INGRESS);
	LIBBPF_OPTS(bpf_tc_opts, opts, .handle = WEIR_TC_HANDLE(made), .priority = WEIR_TC_PRIORITY, .prog_fd = program, .flags = BPF_TC_F_REPLACE);

	return bpf_tc_attach(&hook, &opts);
}

/* Takes our filters away. */
static inline void weir_tc_detach(int ifindex, int made)
{
	for (int egress = 0; egress < 2; egress++) {
		LIBBPF_OPTS(bpf_tc_hook, hook, .ifindex = ifindex, .attach_point = egress ? BPF_TC_EGRESS : BPF_TC_INGRESS);
		LIBBPF_OPTS(bpf_tc_opts, opts, .handle = WEIR_TC_HANDLE(made), .priority = WEIR_TC_PRIORITY);

		bpf_tc_detach(&hook, &opts);
	}
}

/* Takes the qdisc away, with whatever hangs on it. */
static inline void weir_tc_unhook(int ifindex)
{
	LIBBPF_OPTS(bpf_tc_hook, hook, .ifindex = ifindex, .attach_point = BPF_TC_INGRESS | BPF_TC_EGRESS);

	bpf_tc_hook_destroy(&hook);
}
