/* The script of the demonstration's server and clients, inside the program. */
#ifndef WEIR_CDEMONSTRATION_H
#define WEIR_CDEMONSTRATION_H

const char *weir_demonstration_script(void);
#endif
