package com.amazonaws.services.lambda.runtime.events;

import java.util.Date;
import java.util.List;

/** Shaped as the event classes of AWS's library are: capitals differ, dates are seconds, no constructor without arguments. */
public class NotificationEvent {
    private List<Item> records;

    public List<Item> getRecords() {
        return records;
    }

    public void setRecords(List<Item> records) {
        this.records = records;
    }

    public static class Item {
        private final String eventSourceArn;
        private final Date time;
        private String detailType;

        public Item(String eventSourceArn, Date time) {
            this.eventSourceArn = eventSourceArn;
            this.time = time;
        }

        public String getEventSourceArn() {
            return eventSourceArn;
        }

        public Date getTime() {
            return time;
        }

        public String getDetailType() {
            return detailType;
        }
    }
}
