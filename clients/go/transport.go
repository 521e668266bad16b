package authd

import (
	"context"
	"io"
	"net/http"
	"strconv"
)

// Transport returns an [http.RoundTripper] whose requests authd sends with the token of credential, which
// never comes to this process. Bodies are streamed both ways. The request's context ends it at any time; it
// has no other time-out. Redirects inside the credential's origins are followed by authd; one that leads
// elsewhere is the answer, and if http.Client follows it, fails with [ErrOriginNotAllowed].
func (c *Client) Transport(credential string) http.RoundTripper {
	return &transport{client: c, credential: credential}
}

type transport struct {
	client     *Client
	credential string
}

// RoundTrip has authd send one request.
func (t *transport) RoundTrip(request *http.Request) (*http.Response, error) {
	return t.client.Do(t.credential, request)
}

// Do has authd send one request with the token of credential, as the RoundTripper of [Client.Transport] does.
// The body of the answer must be closed; closing it early takes the request back. request.Body is closed, if
// need be after Do has returned.
func (c *Client) Do(credential string, request *http.Request) (*http.Response, error) {
	body := request.Body
	if body == nil {
		body = http.NoBody
	}
	params, err := streamParams(credential, request)
	if err != nil {
		_ = body.Close()
		return nil, err
	}
	ctx := request.Context()
	exchange, err := c.openExchange(ctx, noTimeout)
	if err != nil {
		_ = body.Close()
		return nil, err
	}
	response, err := exchange.stream(ctx, params, body, request.ContentLength)
	if err != nil {
		exchange.close()
		_ = body.Close()
		return nil, final(err)
	}
	response.Request = requestOf(request, response)
	return response, nil
}

// stream sends the request, and returns its answer once that has begun.
func (x *exchange) stream(
	ctx context.Context, params requestParams, body io.ReadCloser, length int64,
) (*http.Response, error) {
	var err error
	switch {
	case body == http.NoBody:
		err = x.send("authorizedRequest", params)
	case length > 0 && length <= shortBodyBytes:
		var text []byte
		if text, err = readShort(ctx, body, length); err == nil {
			params.setBody(text)
			err = x.send("authorizedRequest", params)
		}
	default:
		if length > 0 {
			params.BodyBytes = &length
		}
		err = x.upload(params, body)
	}
	if err != nil {
		return nil, err
	}
	got, err := x.next()
	if err != nil {
		return nil, err
	}
	if got.head == nil {
		return nil, failed("the answer has no head")
	}
	if x.sender != nil {
		x.sender.hasHead.Store(true)
	}
	return x.response(got.head), nil
}

// readShort reads a body that goes in one message. The end of the context ends it.
func readShort(ctx context.Context, body io.ReadCloser, length int64) ([]byte, error) {
	unwatch := context.AfterFunc(ctx, func() { _ = body.Close() })
	defer unwatch()
	text, err := io.ReadAll(io.LimitReader(body, length+1))
	_ = body.Close()
	if ctx.Err() != nil {
		return nil, contextError(ctx, "the request")
	}
	if err != nil {
		return nil, &Error{
			Reason: ErrRequestFailed, Message: "the body can't be read: " + err.Error(), cause: err,
		}
	}
	if int64(len(text)) != length {
		return nil, invalid("the body has not the %d bytes that ContentLength says", length)
	}
	return text, nil
}

// ofAConnection are headers of a connection between this program and an API: there is none, authd has its own.
var ofAConnection = []string{
	"Host", "Connection", "Content-Length", "Keep-Alive", "Te", "Trailer", "Transfer-Encoding", "Upgrade", "Expect",
}

func streamParams(credential string, request *http.Request) (requestParams, error) {
	if request.URL == nil {
		return requestParams{}, invalid("the request has no URL")
	}
	if request.Host != "" && request.Host != request.URL.Host {
		return requestParams{}, invalid("authd sends the host of the URL, %s, not %s", request.URL.Host, request.Host)
	}
	url := *request.URL
	url.Fragment, url.RawFragment = "", ""
	header := request.Header.Clone()
	for _, name := range ofAConnection {
		header.Del(name)
	}
	return requestParams{
		Credential: credential,
		Method:     request.Method,
		URL:        url.String(),
		Headers:    joined(header),
		TimeoutMs:  timeoutMs(noTimeout),
		Stream:     true,
	}, nil
}

func (x *exchange) response(head *answerHead) *http.Response {
	header := head.header()
	length, err := strconv.ParseInt(header.Get("Content-Length"), 10, 64)
	if err != nil || length < 0 {
		length = -1
	}
	return &http.Response{
		Status:        head.statusLine(),
		StatusCode:    head.Status,
		Proto:         "HTTP/1.1",
		ProtoMajor:    1,
		ProtoMinor:    1,
		Header:        header,
		Body:          &answerBody{exchange: x, id: string(head.ID), url: head.URL},
		ContentLength: length,
	}
}

// requestOf returns the request that the answer is to: after redirects, one for another URL.
func requestOf(request *http.Request, response *http.Response) *http.Request {
	url := response.Body.(*answerBody).url
	if url == request.URL.String() {
		return request
	}
	last, err := request.URL.Parse(url)
	if err != nil {
		return request
	}
	redirected := request.WithContext(request.Context())
	redirected.URL = last
	return redirected
}

// final returns what a streamed request fails with: it is not sent again.
func final(err error) error {
	if err == errConnectionLost {
		return failed("the connection to authd broke before the answer was whole")
	}
	return err
}
