/* Only savefiles are read with it; live devices are the probe's. */
#include <pcap/pcap.h>
