/* Only EVP: the whole of OpenSSL's headers would cost every build seconds. */
#include <openssl/evp.h>
