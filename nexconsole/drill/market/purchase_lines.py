"""What one purchase writes, step by step, in the words of its era. (nexnum.md#purchase-lines)

@HEAD about 15 lines of JSON that share a requestId, most of them a correlationId too; @old about 27 plain ones, of
which nothing but their order says whose they are.
"""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from .lines import LogLines

if TYPE_CHECKING:
    from .orders import Order, Sold, Wish

ROUTE = "/api/numbers/purchase"
TO_CUSTOMERS = "No numbers available right now. Please try again shortly."
GREEN, RED = "\x1b[38;5;114m\x1b[1m", "\x1b[31m\x1b[1m"
STOCK = 500


class PurchaseLines:
    """One purchase's lines. `now` is the clock in epoch seconds, `write` the process' log."""

    def __init__(self, lines: LogLines, now: Callable[[], float], write: Callable[[str], None], wish: Wish) -> None:
        self.now = now
        self.write = write
        self.wish = wish
        self.lines = lines.of_request(now())
        self.correlation = f"purchase_{int(now() * 1000)}_{wish.draws.getrandbits(32):08x}"
        self.key = f"{wish.draws.getrandbits(128):032x}"

    @property
    def old(self) -> bool:
        return self.lines.era == "old"

    def _json(self, level: str, text: str, **meta: Any) -> None:
        self.write(self.lines.json(self.now(), level, text, **meta))

    def _step(self, level: str, text: str, **meta: Any) -> None:
        who = {"context": "PURCHASE", "correlationId": self.correlation, "userId": self.wish.user_id}
        self._json(level, text, **who, **meta)

    def asked(self) -> None:
        wish = self.wish
        if self.old:
            self.write(
                f"[PURCHASE] Attempting purchase: {{\n  input: {{\n    countryInput: '{wish.country_code}',\n"
                f"    serviceInput: '{wish.service_code}',\n    operatorId: undefined,\n"
                f"    provider: '{wish.upstream.name}'\n  }}\n}}"
            )
            return
        self._json("info", f"\x1b[1mPOST\x1b[0m {ROUTE}", context="API", type="upstream_request")
        how: dict[str, Any] = {"useBestRoute": True} if wish.best_route else {"provider": wish.upstream.name}
        body = {"countryCode": wish.country_code, "serviceCode": wish.service_code, **how, "idempotencyKey": self.key}
        self._step("info", "[PURCHASE_INIT] Purchase request received", body=body)

    def resolved(self) -> None:
        wish = self.wish
        if self.old:
            self.write(
                "[PURCHASE] Looking up offer with filter: {\n"
                f"  serviceNameToFilter: '{wish.service}',\n  countryNameToFilter: '{wish.country}',\n"
                f"  operatorId: undefined,\n  provider: '{wish.upstream.name}'\n}}\n"
                f"[PURCHASE] Found offer: {{ provider: '{wish.upstream.name}', price: {_js(wish.price)},"
                f" stock: {STOCK}, operatorId: 1 }}\n"
                f"[PURCHASE] Found offer: {{\n  providerName: '{wish.upstream.name}',\n"
                f"  serviceName: '{wish.service}',\n  countryName: '{wish.country}',\n  price: {_js(wish.price)}\n}}"
            )
            return
        names = {"mode": self._mode, "providerName": wish.upstream.name}
        names |= {"serviceName": wish.service, "countryName": wish.country}
        offer = {"freshPrice": float(wish.price), "stock": STOCK, "candidatesCount": 0}
        self._step("info", "[PURCHASE_OFFER_RESOLVED] Offer resolved successfully", **names, **offer)

    @property
    def _mode(self) -> str:
        return "best_route" if self.wish.best_route else "direct"

    def no_offer(self, inactive: bool) -> None:
        """Refused without a row: 404. `inactive`: the index has the offer of a provider that is switched off."""
        wish = self.wish
        asked = {"serviceInput": wish.service_code, "countryInput": wish.country_code}
        if self.old:
            self.write(
                f"[PURCHASE] No offer found for: {{\n  serviceNameToFilter: '{wish.service}',\n"
                f"  countryNameToFilter: '{wish.country}',\n  operatorId: undefined,\n"
                f"  provider: '{wish.upstream.name}'\n}}"
            )
            return
        if inactive:
            text = "Offer belongs to an inactive provider, ignoring"
            self._json("warn", text, context="SEARCH", provider=wish.upstream.name)
        else:
            where = {"service": wish.service_code, "country": wish.country_code}
            self._json("warn", "No offer found during purchase lookup", context="SEARCH", **where)
        if wish.best_route:
            self._step("warn", "[PURCHASE_NO_ROUTE] No route available for best-route purchase", **asked)
        else:
            text = "[PURCHASE_OFFER_NOT_FOUND] Offer not available for requested provider"
            self._step("warn", text, **asked, resolvedProvider=wish.upstream.name)

    def eligible(self, balance: Decimal) -> None:
        """Whether the customer has the money; without it: refused, no row."""
        if self.old:
            if balance < self.wish.price:
                self.crashed("Insufficient funds")
            return
        money = {"currentBalance": float(balance), "requiredAmount": float(self.wish.price)}
        if balance < self.wish.price:
            text = "[PURCHASE_ELIGIBILITY_DENIED] User eligibility check failed"
            self._step("warn", text, code="E_INSUFFICIENT_FUNDS", **money)
            return
        self._step(
            "info", "[PURCHASE_ELIGIBILITY_PASSED] User eligibility verified", **money, dailySpendRemaining=10000
        )

    def locked(self, token: str) -> None:
        if not self.old:
            self._step("info", "[PURCHASE_LOCK_ACQUIRED] Atomic purchase lock acquired", lockToken=token)

    def lock_held(self) -> None:
        """Somebody's purchase for this user is on its way: refused, no row."""
        if not self.old:
            self._step("warn", "[PURCHASE_LOCK_CONFLICT] Another purchase is in progress")

    def reserved(self, order: Order) -> None:
        if self.old:
            self.write(f"[PURCHASE] Reserved funds. Order: {order.order_id}, Activation: {order.activation_id}")
            return
        rows = {"purchaseOrderId": order.order_id, "activationId": order.activation_id}
        text = "[PURCHASE_RESERVE_SUCCESS] Funds reserved and pending order created"
        self._step("info", text, **rows, reservedAmount=float(order.price))

    def calling(self) -> None:
        wish = self.wish
        if self.old:
            return
        codes = {"providerCountryCode": wish.country_code, "providerServiceCode": wish.service_code}
        text = "[PURCHASE_PROVIDER_CALL_START] Dispatching request to provider"
        names = {"providerName": wish.upstream.name, "mode": self._mode}
        self._step("info", text, **names, **codes, expectedPrice=float(wish.price))

    def trying(self, provider: str) -> None:
        """The router turns to a provider."""
        if self.old:
            self._json("info", f"SmartRouter: Attempting purchase from {provider}...")
            return
        price = {"expectedPrice": float(self.wish.price), "priceMultiplier": 1, "fixedMarkup": 0}
        text = "Provider selected with expected price"
        self._json("info", text, context="ROUTER", provider=provider, **price)
        self._json("info", f"SmartRouter: Attempting purchase from {provider} for {self.wish.country_code}...")

    def failed_at(self, provider: str, kind: str, error: str) -> None:
        """The router gives a provider up."""
        text = f"SmartRouter: Purchase failed on {provider}: {error}"
        flags = {"isNoStock": kind == "NO_STOCK", "isPermanent": False}
        if self.old:
            self._json("warn", text, errorType=kind, **flags)
            return
        mapped = "NO_STOCK" if kind == "UNKNOWN" else kind  # nexnum.md#upstream-errors
        self._json("warn", text, errorType=kind, mappedErrorType=mapped, **flags)
        self._json("info", f"SmartRouter: Failover triggered (Reason: {kind}) from {provider} -> Next")

    def given_up(self, checked: tuple[tuple[str, str], ...], error: str) -> None:
        """Nobody sold: the money is let go. `checked` are the providers tried, each with its error's kind."""
        if self.old:
            tried = ", ".join(f"{name}({kind})" for name, kind in checked)
            why = f"All healthy providers failed to purchase number. Checked: {tried}" if checked else error
            self.write(f"[PURCHASE] Provider failed. Rolling back... {why}")
            return
        if checked:
            names = {"checkedProviders": [name for name, _ in checked]}
            codes = {"countryCode": self.wish.country_code, "serviceCode": self.wish.service_code}
            self._json("warn", "All providers exhausted for purchase attempt", context="ROUTER", **names, **codes)
        text = "[PURCHASE_PROVIDER_CALL_FAIL] Provider request failed, rolling back reserved funds"
        self._step("error", text, providerName=self.wish.upstream.name, error=TO_CUSTOMERS)

    def crashed(self, error: str) -> None:
        """Something that the route did not expect."""
        if self.old:
            where = "/app/.next/server/app/api/numbers/purchase/route.js:1:9120"
            self.write(f"[PURCHASE] Critical Error: {error}\n    at async h ({where})")
            return
        self._step("error", "[PURCHASE_CRITICAL_FAIL] Purchase failed", error=error)

    def got(self, sold: Sold) -> None:
        if self.old:
            names = {"numberId": sold.number_id, "activationId": sold.activation}
            self._json("info", "[Lifecycle] Scheduling polling", **names)
            return
        names = {"providerName": self._seller(sold), "phoneNumber": sold.phone.removeprefix("+")}
        text = "[PURCHASE_PROVIDER_CALL_SUCCESS] Provider returned activation number"
        self._step("info", text, **names, activationId=sold.activation, providerCost=None)

    def complete(self, sold: Sold) -> None:
        if self.old:
            self.write(f"[PURCHASE] Success! Number: {sold.number_id}")
            return
        names = {"numberId": sold.number_id, "phoneNumber": sold.phone.removeprefix("+")}
        names |= {"providerName": self._seller(sold)}
        money = {"freshPrice": float(self.wish.price), "providerCost": 0, "profit": _js(self.wish.price)}
        self._step("info", "[PURCHASE_COMPLETE] Purchase completed successfully", **names, **money)

    def _seller(self, sold: Sold) -> str:
        """Best-route purchases carry the seller's display name. (nexnum.md#best-route)"""
        return sold.seller.display if self.wish.best_route else sold.seller.name

    def answered(self, status: int, sold: Sold | None = None) -> None:
        """What the customer was told, and what a sale sets going."""
        if self.old:
            return
        colour, level = (GREEN, "info") if status == 200 else (RED, "error")
        meta = {"context": "API", "type": "upstream_response", "status": status}
        self._json(level, f"{colour}{status}\x1b[0m \x1b[1mPOST\x1b[0m {ROUTE}", **meta)
        if sold is not None:
            names = {"activationId": sold.activation, "provider": sold.seller.name}
            text = f"[ActiveStream] Added activation #{sold.activation} to high-speed stream"
            self._json("info", text, context="ACTIVE_STREAM", **names)
            event = {"eventId": sold.number_id, "room": f"user:{self.wish.user_id}", "payloadSize": 95}
            self._json("info", "[Event] Publishing state.updated", **event)


def _js(number: Decimal) -> str:
    """A number as JavaScript prints it: 1.5, 2."""
    return f"{float(number):g}"
