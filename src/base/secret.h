/* Whether a secret has changed, told without keeping it: a salted, slow mark, as passwords are kept. Any
 * thread; making or comparing one takes some ms. */
#ifndef BASE_SECRET_H
#define BASE_SECRET_H

#define SECRET_MARK_SIZE 100

/* The mark of this secret. `previous` is returned as it is when it is a mark of the same secret; NULL: there
 * is none. */
void secret_mark(const char *secret, const char *previous, char mark[SECRET_MARK_SIZE]);

#endif
