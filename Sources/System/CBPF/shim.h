/* libbpf as it is, and what it keeps in macros or va_lists. */
#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/bpf.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

/* <linux/bpf.h> of the distribution is older than these (Linux 6.6). */
#define WEIR_TCX_INGRESS 46
#define WEIR_TCX_EGRESS 47

#define WEIR_BPF_SAID 512

/* The last line that libbpf had to say on this thread, the verifier's own last words included. */
static inline char *weir_bpf_last_words(void)
{
	static __thread char said[WEIR_BPF_SAID];

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

/* Under one name, which is part of the names of maps that the compiler makes: by these names one object has another's. */
static inline struct bpf_object *weir_bpf_open(const void *bytes, size_t size)
{
	LIBBPF_OPTS(bpf_object_open_opts, options, .object_name = "weir");

	return bpf_object__open_mem(bytes, size, &options);
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

/* The same program by another descriptor, which closes by itself at an exec. -1 and errno when there is none. */
static inline int weir_duplicate(int descriptor)
{
	return fcntl(descriptor, F_DUPFD_CLOEXEC, 3);
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

static inline unsigned weir_bpf_program_id(int program)
{
	struct bpf_prog_info info;
	__u32 size = sizeof(info);

	memset(&info, 0, sizeof(info));
	return bpf_obj_get_info_by_fd(program, &info, &size) ? 0 : info.id;
}

/* The name of a program that is somebody else's; empty when we may not look (CAP_SYS_ADMIN). */
static inline void weir_bpf_program_name(unsigned id, char name[BPF_OBJ_NAME_LEN])
{
	struct bpf_prog_info info;
	__u32 size = sizeof(info);
	int program = bpf_prog_get_fd_by_id(id);

	memset(&info, 0, sizeof(info));
	if (program >= 0) {
		bpf_obj_get_info_by_fd(program, &info, &size);
		close(program);
	}
	memcpy(name, info.name, BPF_OBJ_NAME_LEN);
	name[BPF_OBJ_NAME_LEN - 1] = 0;
}

/* BPF_F_BEFORE of Linux 6.6: without another program to stand before, it is the head of the chain. */
#define WEIR_TCX_FIRST 8

/* A link's descriptor, or -errno. */
static inline int weir_tcx_attach(int ifindex, int egress, int program)
{
	LIBBPF_OPTS(bpf_link_create_opts, o, .flags = WEIR_TCX_FIRST);
	int link = bpf_link_create(program, ifindex, (enum bpf_attach_type)(egress ? WEIR_TCX_EGRESS : WEIR_TCX_INGRESS), &o);

	return link < 0 ? -errno : link;
}

/* A program that lets every frame pass to the next one on its hook (TCX_NEXT): its descriptor, or -errno. */
static inline int weir_tcx_placeholder(void)
{
	const struct bpf_insn instructions[] = {
		{ .code = BPF_ALU64 | BPF_MOV | BPF_K, .dst_reg = BPF_REG_0, .imm = -1 },
		{ .code = BPF_JMP | BPF_EXIT },
	};
	int program = bpf_prog_load(BPF_PROG_TYPE_SCHED_CLS, "weir_place", "Dual BSD/GPL", instructions, 2, 0);

	return program < 0 ? -errno : program;
}

static inline int weir_tcx_replace(int link, int program)
{
	return bpf_link_update(link, program, 0);
}

/* Programs on a TCX hook, in the order in which they run: how many (at most 64), or -errno. Needs CAP_NET_ADMIN. */
#define WEIR_TCX_PROGRAMS 64
static inline int weir_tcx_programs(int ifindex, int egress, unsigned ids[WEIR_TCX_PROGRAMS])
{
	LIBBPF_OPTS(bpf_prog_query_opts, o, .prog_ids = ids, .prog_cnt = WEIR_TCX_PROGRAMS);

	return bpf_prog_query_opts(ifindex, (enum bpf_attach_type)(egress ? WEIR_TCX_EGRESS : WEIR_TCX_INGRESS), &o) ? -errno : (int)o.prog_cnt;
}

/* Whether a link still holds its program to an interface: it does not when somebody detached it, or the interface is gone. */
static inline int weir_tcx_holds(int link)
{
	/* struct bpf_link_info of Linux 6.6: type, id, prog_id, a hole, then the link's own: ifindex and hook. */
	__u32 info[32] = { 0 };
	__u32 size = sizeof(info);

	return !bpf_obj_get_info_by_fd(link, info, &size) && info[4] != 0;
}

/*
 * Whose a clsact filter is stands in its handle: "W" when the agent that it belongs to made the qdisc, "w" when it was there, then three bytes that
 * are that agent's own. So an agent takes away nothing of another's, and finds what a killed one left.
 */
#define WEIR_TC_MADE 0x57000000
#define WEIR_TC_FOUND 0x77000000

/* The clsact qdisc: 0, -EEXIST if it was there, or -errno. */
static inline int weir_tc_hook(int ifindex)
{
	LIBBPF_OPTS(bpf_tc_hook, hook, .ifindex = ifindex, .attach_point = BPF_TC_INGRESS | BPF_TC_EGRESS);

	return bpf_tc_hook_create(&hook);
}

static inline int weir_tc_attach(int ifindex, int egress, int program, unsigned handle, unsigned priority, int replace)
{
	LIBBPF_OPTS(bpf_tc_hook, hook, .ifindex = ifindex, .attach_point = egress ? BPF_TC_EGRESS : BPF_TC_INGRESS);
	LIBBPF_OPTS(bpf_tc_opts, opts, .handle = handle, .priority = priority, .prog_fd = program, .flags = replace ? BPF_TC_F_REPLACE : 0);

	return bpf_tc_attach(&hook, &opts);
}

static inline int weir_tc_detach(int ifindex, int egress, unsigned handle, unsigned priority)
{
	LIBBPF_OPTS(bpf_tc_hook, hook, .ifindex = ifindex, .attach_point = egress ? BPF_TC_EGRESS : BPF_TC_INGRESS);
	LIBBPF_OPTS(bpf_tc_opts, opts, .handle = handle, .priority = priority);

	return bpf_tc_detach(&hook, &opts);
}

/* Takes the qdisc away, with whatever hangs on it. */
static inline void weir_tc_unhook(int ifindex)
{
	LIBBPF_OPTS(bpf_tc_hook, hook, .ifindex = ifindex, .attach_point = BPF_TC_INGRESS | BPF_TC_EGRESS);

	bpf_tc_hook_destroy(&hook);
}
