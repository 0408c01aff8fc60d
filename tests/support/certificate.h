/* A certificate authority of the test's own, and servers' certificates signed by it: made by
 * libcrypto in a few milliseconds, so that no key lies in the tree and none runs out. */
#ifndef SUPPORT_CERTIFICATE_H
#define SUPPORT_CERTIFICATE_H

#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

struct authority {
	EVP_PKEY *key;
	X509 *certificate;
	char file[64]; /* its certificate as PEM, for ca_file */
};

static inline void certificate_extend(X509 *certificate, X509 *issuer, int nid, const char *value)
{
	X509V3_CTX context;

	X509V3_set_ctx_nodb(&context);
	X509V3_set_ctx(&context, issuer, certificate, NULL, NULL, 0);
	X509_EXTENSION *extension = X509V3_EXT_conf_nid(NULL, &context, nid, value);
	if (!extension || !X509_add_ext(certificate, extension, -1))
		abort();
	X509_EXTENSION_free(extension);
}

static inline X509 *certificate_new(EVP_PKEY *key, const char *name, const X509 *issuer)
{
	static long serial = 1;
	X509 *certificate = X509_new();

	X509_set_version(certificate, 2);
	ASN1_INTEGER_set(X509_get_serialNumber(certificate), serial++);
	X509_gmtime_adj(X509_getm_notBefore(certificate), -3600);
	X509_gmtime_adj(X509_getm_notAfter(certificate), 24 * 3600);
	X509_set_pubkey(certificate, key);
	X509_NAME_add_entry_by_txt(X509_get_subject_name(certificate), "CN", MBSTRING_UTF8,
	        (const unsigned char *)name, -1, -1, 0);
	X509_set_issuer_name(
	        certificate, issuer ? X509_get_subject_name(issuer) : X509_get_subject_name(certificate));
	return certificate;
}

static inline void authority_make(struct authority *authority)
{
	strcpy(authority->file, "/tmp/usher-test-ca-XXXXXX");
	FILE *file = fdopen(mkstemp(authority->file), "w");

	authority->key = EVP_EC_gen("P-256");
	authority->certificate = certificate_new(authority->key, "usher test authority", NULL);
	certificate_extend(
	        authority->certificate, authority->certificate, NID_basic_constraints, "critical,CA:TRUE");
	X509_sign(authority->certificate, authority->key, EVP_sha256());
	if (!file || !PEM_write_X509(file, authority->certificate))
		abort();
	fclose(file);
}

static inline void authority_end(struct authority *authority)
{
	unlink(authority->file);
	X509_free(authority->certificate);
	EVP_PKEY_free(authority->key);
}

/* A server's TLS context; `names` as in subjectAltName: "IP:127.0.0.1", "DNS:mail.example". */
static inline SSL_CTX *authority_context(struct authority *authority, const char *names)
{
	SSL_CTX *context = SSL_CTX_new(TLS_server_method());
	EVP_PKEY *key = EVP_EC_gen("P-256");
	X509 *certificate = certificate_new(key, "usher test server", authority->certificate);

	certificate_extend(certificate, authority->certificate, NID_subject_alt_name, names);
	X509_sign(certificate, authority->key, EVP_sha256());
	if (SSL_CTX_use_certificate(context, certificate) != 1 || SSL_CTX_use_PrivateKey(context, key) != 1)
		abort();
	X509_free(certificate);
	EVP_PKEY_free(key);
	return context;
}

#endif
