"""Why a call to a provider ended without an answer we can use.

All are refusals of a sign-in: whoever waits for that call is signing in, or
testing a connection. ``address`` and ``reason`` are facts for the administrator
and hold nothing but host, port and our own words.
"""

from __future__ import annotations

from lvportal.errors import SignInRefused

MEANWHILE = "Try again in a minute. If it happens again, tell your administrator."


class OutboundRefused(SignInRefused):
    """A call to the provider failed or was not made. Every class below has its own code."""

    code = "sign_in.outbound"
    status = 502
    user_message = "{provider} could not be asked."
    next_step = MEANWHILE
    administrator_step = "Check the provider."
    step = 3


class ProviderUnreachable(OutboundRefused):
    """No connection, a connection that broke, or no complete answer in time."""

    code = "sign_in.unreachable"
    user_message = "{provider} did not answer."
    administrator_step = "Check that {address} answers ({reason}). Until then, use emergency access."


class NameUnknown(ProviderUnreachable):
    """DNS knows no address for the host."""

    code = "sign_in.name_unknown"
    administrator_step = "Check the spelling of {address}: DNS knows no such name."


class ProviderSlow(ProviderUnreachable):
    """The time allowed for one call ran out."""

    code = "sign_in.slow"
    user_message = "{provider} took too long to answer."
    administrator_step = "Check why {address} is slow ({reason}). Until then, use emergency access."


class ProviderBusy(OutboundRefused):
    """Too many calls to this provider are waiting already, or its last ones all failed.

    Refused at once, so that one client's hanging provider cannot take the
    threads of everybody else.
    """

    code = "sign_in.busy"
    status = 503
    user_message = "{provider} is answering too slowly for everybody who is signing in."
    administrator_step = "Check why {provider} is slow. Sign-ins go on by themselves when it answers again."


class AddressRefused(OutboundRefused):
    """The URL, or an address its name leads to, is one we never call (protocol line 2)."""

    code = "sign_in.address"
    user_message = "{provider} uses an address that is not allowed."
    next_step = "Tell your administrator."
    administrator_step = "{address}: {reason}. The provider needs a public https address."


class CertificateRefused(OutboundRefused):
    """The certificate did not verify; nothing was sent (protocol line 29)."""

    code = "sign_in.certificate"
    user_message = "{provider} could not prove who it is."
    next_step = "Tell your administrator. Nothing was sent."
    administrator_step = "The certificate of {address} is not valid: {reason}. Correct it at the provider."


class TlsFailed(OutboundRefused):
    """No TLS connection came about, for another reason than the certificate."""

    code = "sign_in.tls"
    user_message = "No secure connection to {provider} came about."
    next_step = "Tell your administrator. Nothing was sent."
    administrator_step = "{address} does not speak TLS 1.2 or later ({reason}). Check port and server."


class RedirectRefused(OutboundRefused):
    """A redirect would lead a secret, or our trust, to an address nobody chose."""

    code = "sign_in.redirected"
    user_message = "{provider} has moved an address we need."
    next_step = "Tell your administrator."
    administrator_step = "{address} answers with a redirect ({reason}). Enter the address it leads to."


class ReplyTooLarge(OutboundRefused):
    """More bytes than a document of a provider ever has, before or after decompression."""

    code = "sign_in.reply_too_large"
    user_message = "{provider} sent more than we can take."
    next_step = "Tell your administrator."
    administrator_step = "{address} answers with over {limit} bytes. Check that it is the provider's address."


class ReplyMalformed(OutboundRefused):
    """The bytes are not an HTTP/1.1 answer we can be sure to read as it was meant."""

    code = "sign_in.reply_malformed"
    user_message = "{provider} sent an answer that could not be read."
    next_step = "Tell your administrator."
    administrator_step = (
        "The answer of {address} is not proper HTTP ({reason}). Check what stands in front of it."
    )


class RequestMalformed(OutboundRefused):
    """Something to send (a token, an id) would have changed the request itself."""

    code = "sign_in.request_malformed"
    user_message = "Something {provider} gave us cannot be sent back to it."
    next_step = "Tell your administrator."
    administrator_step = "The request to {address} was not sent: {reason}. Check the Authorization ID."
