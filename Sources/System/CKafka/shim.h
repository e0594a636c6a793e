/* librdkafka as it is, and what of it Swift cannot call: variadic functions and macros. */
#ifndef WEIR_CKAFKA_H
#define WEIR_CKAFKA_H

#include <librdkafka/rdkafka.h>
#include <librdkafka/rdkafka_mock.h>
#include <string.h>
#include <sys/eventfd.h>

/* The headers change owner only on success; without a value (NULL) the record is a tombstone. */
static inline rd_kafka_resp_err_t weir_kafka_produce(rd_kafka_t *handle, const char *topic, const void *key, size_t key_size,
						     const void *value, size_t value_size, rd_kafka_headers_t *headers, uint64_t token)
{
	return rd_kafka_producev(handle, RD_KAFKA_V_TOPIC(topic), RD_KAFKA_V_KEY(key, key_size),
				 RD_KAFKA_V_VALUE((void *)value, value_size), RD_KAFKA_V_HEADERS(headers),
				 RD_KAFKA_V_MSGFLAGS(RD_KAFKA_MSG_F_COPY), RD_KAFKA_V_OPAQUE((void *)(uintptr_t)token), RD_KAFKA_V_END);
}

/* Statistics name each broker's state; whether one of them is up is all that we want to know. */
static inline int weir_kafka_any_broker_up(const char *statistics)
{
	return statistics && strstr(statistics, "\"state\":\"UP\"") != NULL;
}
#endif
