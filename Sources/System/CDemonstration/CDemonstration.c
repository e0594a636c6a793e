#include "CDemonstration.h"

#pragma clang diagnostic ignored "-Wc23-extensions"

static const char script[] = {
#embed "demonstration.py"
	, 0
};

const char *weir_demonstration_script(void)
{
	return script;
}
