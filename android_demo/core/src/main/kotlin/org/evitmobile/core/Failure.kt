package org.evitmobile.core

/**
 * Everything that goes wrong with a model folder, in the words a user can act on: what was found, what is allowed, what to do.
 * The only exception that the app shows; anything else is a bug.
 */
class Failure(val got: String, val allowed: String, val advice: String, cause: Throwable? = null) :
    Exception("Got $got; allowed: $allowed; $advice.", cause)
