/*
 * Only EVP, its errors, and the two hashes themselves: the whole of OpenSSL's headers would cost every build seconds. The hashes
 * without EVP neither allocate nor lock, which of a short text is most of what EVP_Digest takes; OpenSSL 3 calls them deprecated and
 * keeps them.
 */
#define OPENSSL_SUPPRESS_DEPRECATED
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/md5.h>
#include <openssl/sha.h>
