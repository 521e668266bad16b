package authd

import (
	"context"
	"fmt"
	"testing"
)

func subscribed(t *testing.T, daemon *fakeDaemon, client *Client) *fakeRequest {
	t.Helper()
	outcome := begin(func() error { return client.Subscribe(context.Background(), Watch{Events: true}) })
	asked := daemon.receive("subscribe")
	asked.answer("{}")
	if err := wait(t, outcome); err != nil {
		t.Fatal(err)
	}
	return asked
}

func TestASlowListenerHoldsUpNoCall(t *testing.T) {
	daemon := startFake(t)
	client := newClient(t, daemon)
	release, told := make(chan struct{}), make(chan string, 10)
	stop := client.OnNotification(func(one Notification) {
		<-release
		told <- one.Name + string(one.Params)
	})
	asked := subscribed(t, daemon, client)
	for i := 0; i < 3; i++ {
		asked.notify("event", fmt.Sprintf(`{"seq":%d}`, i))
	}
	outcome := askForToken(context.Background(), client, "a")
	daemon.receive("getToken").answer(someToken)
	if err := wait(t, outcome); err != nil {
		t.Error(err)
	}
	close(release)
	for i := 0; i < 3; i++ {
		if one := wait(t, told); one != fmt.Sprintf(`event{"seq":%d}`, i) {
			t.Errorf("%d: %s", i, one)
		}
	}
	stop()
	last := make(chan string, 1)
	client.OnNotification(func(one Notification) { last <- one.Name })
	asked.notify("token/refreshed", "{}")
	if one := wait(t, last); one != "token/refreshed" || len(told) > 0 {
		t.Errorf("%s, and %d to one that was stopped", one, len(told))
	}
}

func TestAListenerMayCall(t *testing.T) {
	daemon := startFake(t)
	client := newClient(t, daemon)
	outcome := make(chan error, 1)
	client.OnNotification(func(Notification) {
		_, err := client.GetToken(context.Background(), "a")
		outcome <- err
	})
	subscribed(t, daemon, client).notify("event", "{}")
	daemon.receive("getToken").answer(someToken)
	if err := wait(t, outcome); err != nil {
		t.Error(err)
	}
}

func TestAListenerThatFallsBehindLosesTheOldest(t *testing.T) {
	var n notifier
	release, told := make(chan struct{}), make(chan string, 2*maxUndelivered)
	n.add(func(one Notification) {
		<-release
		told <- one.Name
	})
	n.notify(Notification{Name: "first"})
	until(t, "the first call of the listener", func() bool {
		n.mu.Lock()
		defer n.mu.Unlock()
		return len(n.queue) == 0
	})
	for i := 0; i <= maxUndelivered; i++ {
		n.notify(Notification{Name: fmt.Sprint(i)})
	}
	close(release)
	for i := 0; i <= maxUndelivered; i++ {
		want := fmt.Sprint(i)
		if i == 0 {
			want = "first"
		}
		if one := wait(t, told); one != want {
			t.Fatalf("%s, not %s", one, want)
		}
	}
}

func TestASubscriptionOutlivesADaemon(t *testing.T) {
	daemon := startFake(t)
	client := newClient(t, daemon)
	told := make(chan string, 1)
	client.OnNotification(func(one Notification) { told <- one.Name })
	subscribed(t, daemon, client)
	daemon.stop()
	daemon.listen()
	again := daemon.receive("subscribe")
	again.answer("{}")
	again.notify("event", "{}")
	if one := wait(t, told); one != "event" {
		t.Error(one)
	}
	outcome := begin(func() error { return client.Unsubscribe(context.Background(), "") })
	daemon.receive("unsubscribe").answer("{}")
	if err := wait(t, outcome); err != nil {
		t.Error(err)
	}
}
