/* SPDX-License-Identifier: Apache-2.0 */
/* libcurl, with its variadic setter once for each kind of value. */
#ifndef CCURL_SHIM_H
#define CCURL_SHIM_H

#include <curl/curl.h>
#include <semaphore.h>

typedef size_t (*weir_curl_write)(char *bytes, size_t one, size_t count, void *context);

static inline CURLcode weir_curl_text(CURL *curl, CURLoption option, const char *value) { return curl_easy_setopt(curl, option, value); }
static inline CURLcode weir_curl_number(CURL *curl, CURLoption option, long value) { return curl_easy_setopt(curl, option, value); }
static inline CURLcode weir_curl_list(CURL *curl, CURLoption option, struct curl_slist *value) { return curl_easy_setopt(curl, option, value); }
/* Of POSTFIELDSIZE bytes. */
static inline CURLcode weir_curl_copy(CURL *curl, const void *body) { return curl_easy_setopt(curl, CURLOPT_COPYPOSTFIELDS, body); }
static inline CURLcode weir_curl_body(CURL *curl, weir_curl_write write, void *context)
{
	curl_easy_setopt(curl, CURLOPT_WRITEFUNCTION, write);
	return curl_easy_setopt(curl, CURLOPT_WRITEDATA, context);
}

static inline long weir_curl_status(CURL *curl)
{
	long status = 0;

	curl_easy_getinfo(curl, CURLINFO_RESPONSE_CODE, &status);
	return status;
}
#endif
