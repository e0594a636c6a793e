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

/* The last line that libbpf had to say, without its level; the verifier's own last words included. */
static char weir_bpf_said[512];

static inline int weir_bpf_print(enum libbpf_print_level level, const char *format, va_list arguments)
{
	if (level == LIBBPF_WARN)
		vsnprintf(weir_bpf_said, sizeof(weir_bpf_said), format, arguments);
	return 0;
}

static inline const char *weir_bpf_last_words(void)
{
	return weir_bpf_said;
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

/* A program over one linear frame: 0 or -errno, its verdict in `result`. */
static inline int weir_bpf_run(int program, const void *frame, unsigned size, unsigned ifindex, unsigned long long stamp, unsigned repeat,
			       unsigned *result, unsigned *nanoseconds)
{
	struct __sk_buff context;
	LIBBPF_OPTS(bpf_test_run_opts, o, .data_in = frame, .data_size_in = size, .ctx_in = &context, .ctx_size_in = sizeof(context), .repeat = repeat);
	int error;

	memset(&context, 0, sizeof(context));
	context.ifindex = ifindex;
	context.tstamp = stamp;
	error = bpf_prog_test_run_opts(program, &o);
	*result = o.retval;
	*nanoseconds = o.duration;
	return error;
}

/* A syscall program with its context. */
static inline int weir_bpf_call(int program, void *context, unsigned size)
{
	LIBBPF_OPTS(bpf_test_run_opts, o, .ctx_in = context, .ctx_size_in = size);

	return bpf_prog_test_run_opts(program, &o);
}
