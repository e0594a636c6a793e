#include "CProbe.h"

#pragma clang diagnostic ignored "-Wc23-extensions"

static const _Alignas(8) unsigned char modern[] = {
#embed "../../../bpf/build/weir.may_goto.bpf.o"
};

static const _Alignas(8) unsigned char plain[] = {
#embed "../../../bpf/build/weir.bpf.o"
};

const void *weir_probe_object(int may_goto, size_t *size)
{
	*size = may_goto ? sizeof(modern) : sizeof(plain);
	return may_goto ? modern : plain;
}
